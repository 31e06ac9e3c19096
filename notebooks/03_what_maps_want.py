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
# # Images that maps prefer
#
# Images that feature maps and classes respond to most, found by gradient ascent on the pixels: for every map of a
# layer at once, with measures that say how good each image is. Train a network first (`make fit`, or notebook
# `01_train`).

# %%
import os

from IPython.display import Image

from lit_mnist import open_model
from lit_mnist.figures import maximize as draw
from lit_mnist.figures.canvas import to_bytes
from lit_mnist.inside.filters import convolutions
from lit_mnist.inside.passes import dataset_part
from lit_mnist.maximize import (
    Settings,
    Stage,
    ascend,
    maximize_classes,
    maximize_maps,
    reference,
    rows_for,
)
from lit_mnist.maximize.inputs import START, Fluctuations, constraint_for
from lit_mnist.maximize.objectives import ChannelMean, Diversity, TotalVariation
from lit_mnist.maximize.quality import assess
from lit_mnist.maximize.style import style_transfer

CKPT = os.environ.get("LIT_MNIST_CKPT", "../runs/cnn/version_0")  # a run folder, a checkpoint or a Keras file
COUNT = int(os.environ.get("LIT_MNIST_COUNT", 60_000))  # training images to compare with; the tests take fewer
STEPS = int(os.environ["LIT_MNIST_STEPS"]) if "LIT_MNIST_STEPS" in os.environ else None  # None: the presets' own

model = open_model(CKPT)
layer = convolutions(model.network)[-1]
maps = range(min(16, model.spec[layer].maps))
pixels = dataset_part(model, "train")[0][:COUNT]
data = reference(model, layer, pixels=pixels)


def show(figure):
    return Image(to_bytes(figure))


# %% [markdown]
# ## The source's ascent
#
# Noise on four length scales, then small steps along the normalised gradient, standardised after each. The label
# is the activation relative to the best of the training images.

# %%
made = maximize_maps(model, layer, maps, Settings(steps=STEPS), data)
made.metrics()

# %%
show(draw.grid(made, columns=8))

# %%
show(draw.evolution(made, made.targets[:4]))

# %% [markdown]
# How much does the start matter? And what do the top training images of the map have in common with it?

# %%
show(draw.restarts(made, made.targets[:4]))

# %%
show(draw.beside_data(made, made.targets[:4]))

# %% [markdown]
# ## Robust images
#
# The source's images are fine-grained and lose much when they are shifted by one pixel. Under jitter, along a blurred
# gradient, patterns emerge that work at any position.

# %%
robust = maximize_maps(model, layer, maps, Settings("robust", steps=STEPS), data)
show(draw.quality(made))

# %%
show(draw.quality(robust))

# %%
show(draw.grid(robust, columns=8))

# %% [markdown]
# ## Classes
#
# Logits instead of maps: what is the most convincing 0, 1, ... 9?

# %%
classes = maximize_classes(model, settings=Settings("class", restarts=2, steps=STEPS),
                           data=reference(model, model.spec.names[-1], pixels=pixels))
show(draw.grid(classes, columns=5))

# %% [markdown]
# ## Your own objective
#
# Objectives add up. Here restarts of a map are driven apart while total variation is kept low.

# %%
objective = ChannelMean(layer) - 0.1 * TotalVariation() - 0.5 * Diversity()
rows = rows_for([0], 6)
height, width, channels = model.spec.input_shape
constraint = constraint_for(model)
starts = constraint.begin(Fluctuations().draw(rows.generators(START), (channels, height, width)))
found = ascend(model.network, [Stage(objective, STEPS or 400)], starts, rows, constraint)
print("mean cosine with the other restarts:", assess(model.network, layer, found.images, rows, data).likeness)

# %% [markdown]
# ## Style transfer
#
# One digit in the style of another: its content by the last convolution, its style by the Gram matrices of all.
# Photographs and paintings, by a network for colour pictures, take the same function: `docs/style.md`.

# %%
style_transfer(pixels[0], pixels[7], model, steps=STEPS or 100)
