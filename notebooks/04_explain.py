# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Explain a decision
#
# Which pixels made the network say 7, and should the answer be believed? Train a network first (`make fit`, or
# notebook `01_train`). Definitions and thresholds are in `docs/explain.md`.

# %%
import os

import numpy as np
from IPython.display import Image

from lit_mnist import open_model
from lit_mnist.attribution import (
    DeepLift,
    IntegratedGradients,
    completeness,
    explain,
    interesting,
    make_baseline,
    project_map,
    resolve,
)
from lit_mnist.data import load_dataset
from lit_mnist.data.images import read_images
from lit_mnist.figures import attribution as draw
from lit_mnist.figures.canvas import grid_figure, to_bytes

CKPT = os.environ.get("LIT_MNIST_CKPT", "../runs/cnn/version_0")  # a run folder, a checkpoint or a Keras file
COUNT = int(os.environ.get("LIT_MNIST_COUNT", 10_000))  # images to go through; the tests take fewer
DIGITS = 20 if COUNT > 1000 else 2  # digits on which methods are judged

model = open_model(CKPT)
dataset = load_dataset(model.dataset)
images = read_images(interesting(model, dataset, 4), model.dataset)


def show(figure):
    return Image(to_bytes(figure))


# %% [markdown]
# ## Several methods on the same digits, mistakes first
#
# Red pixels speak for the predicted class, blue ones against it. The heading says whether a method passes its checks.

# %%
methods = ["saliency", "integrated_gradients", "deeplift", "guided_backprop", "grad_cam"]
found = explain(model, images, methods, dataset=dataset, verdict_digits=DIGITS)
show(draw.methods_figure(found))

# %% [markdown]
# ## How far to believe them
#
# Guided backpropagation draws the sharpest pictures, but they hardly change when all weights of the network are
# randomised: they show the image, not the reason.

# %%
show(draw.verdict_figure(found))

# %%
show(draw.curves_figure(found))

# %% [markdown]
# ## Why this class and not the runner-up?

# %%
contrast = explain(model, images, ["integrated_gradients"], "predicted-second", dataset=dataset, verdict_digits=0)
show(draw.contrast_figure(contrast))

# %% [markdown]
# ## By hand: one form for all methods
#
# `method(network, images, target) -> attributions`. Both of these promise that a map adds up to the logit's change.

# %%
inputs = model.tensor(images.pixels)
target = resolve(model.network, inputs, "predicted")
baseline = make_baseline("empty", model)
for method in (IntegratedGradients(baseline), DeepLift(baseline)):
    sums = completeness(model.network, inputs, target, method(model.network, inputs, target), baseline)
    print(f"{method.name}: worst completeness error {sums.error.max():.1e}")

# %% [markdown]
# ## One map, projected back to the pixels
#
# Zeiler and Fergus' deconvolution of the strongest activation of the first maps of the last convolution.

# %%
layer = [info.name for info in model.spec.table if info.type == "conv"][-1]
numbers = range(min(8, model.spec[layer].maps))
projected = [project_map(model.network, inputs[:1], layer, number).pixels[0, 0].numpy() for number in numbers]
labels = [f"map {n}" if np.any(values) else f"map {n}: silent" for n, values in zip(numbers, projected, strict=True)]
show(grid_figure(projected, 8, labels, signed=True))
