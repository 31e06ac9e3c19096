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
# # Cats and dogs: what the network looks at
#
# This notebook looks into a network that distinguishes cats from dogs. It is built on EfficientNet-Lite0
# (`configs/cats_dogs_efficientnet.yaml`, `docs/transfer.md`). Train it first, on a folder of pictures with `train/CLASS` and
# `test/CLASS`:
#
#     python -m lit_mnist fit --config configs/cats_dogs_efficientnet.yaml --data.root cats_dogs

# %%
import os
from pathlib import Path

import numpy as np
import torch
from IPython.display import Image

from lit_mnist import open_model
from lit_mnist.attribution import explain
from lit_mnist.data.images import read_images
from lit_mnist.figures import attribution as draw
from lit_mnist.figures.canvas import to_bytes
from lit_mnist.network import predicted_classes

CKPT = os.environ.get("LIT_MNIST_CKPT", "../runs/cats_dogs_efficientnet/version_0")  # a run or a checkpoint
DATA = Path(os.environ.get("LIT_MNIST_DATA", ".."))
ROOT = Path(os.environ.get("LIT_MNIST_CATS_DOGS", DATA / "cats_dogs"))  # the folder of pictures
COUNT = int(os.environ.get("LIT_MNIST_COUNT", 200))  # test pictures of each class
SHOWN = 3  # pictures to explain, of correct and of wrong answers

model = open_model(CKPT)


def show(figure):
    return Image(to_bytes(figure))


# %% [markdown]
# ## Right and wrong

# %%
paths = [path for name in model.class_names for path in sorted((ROOT / "test" / name).iterdir())[:COUNT]]
labels = np.array([model.class_names.index(path.parent.name) for path in paths])
probabilities = []
for start in range(0, len(paths), 50):
    names = [str(path) for path in paths[start : start + 50]]
    images = read_images(names, model.dataset, ROOT, model.spec.input_shape)
    with torch.no_grad():
        logits = model.network(model.tensor(images.pixels))
    probabilities.append(model.network.probabilities(logits).numpy())
probabilities = np.concatenate(probabilities)
predicted = predicted_classes(torch.from_numpy(np.log(probabilities))).numpy()
right = predicted == labels
print(f"right: {100 * right.mean():.2f}% of {len(paths)} test pictures")

# %% [markdown]
# ## What speaks for the answer
#
# Grad-CAM weights the maps of the last image layer by their gradients; occlusion covers one patch after another.
# Both explain the predicted class. First, the correct answers with the highest probability.

# %%
METHODS = ["grad_cam", "occlusion"]


def explained(which):
    order = np.argsort(-probabilities[which, predicted[which]])[:SHOWN]
    chosen = [str(paths[place]) for place in np.flatnonzero(which)[order]]
    images = read_images(chosen, model.dataset, ROOT, model.spec.input_shape)
    return show(draw.methods_figure(explain(model, images, METHODS, verdict_digits=0)))


explained(right) if right.any() else print("none is right")

# %% [markdown]
# Then the wrong answers with the highest probability. Does the network look at the animal or at something else? Some of
# these pictures show no animal, or both, or have a wrong label.

# %%
explained(~right) if (~right).any() else print("none is wrong")
