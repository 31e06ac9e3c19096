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
# # See inside a trained network
#
# Every layer and map on real images: feature maps, filters, a journey, the top images of a
# map, and silent maps. Train a network first (`make fit`, or notebook `01_train`).

# %%
import os

import torch
from IPython.display import Image

from lit_mnist import capture, open_model
from lit_mnist.data.images import read_images
from lit_mnist.figures import filters as draw_filters
from lit_mnist.figures import maps as draw_maps
from lit_mnist.figures import statistics as draw_statistics
from lit_mnist.figures.canvas import to_bytes
from lit_mnist.inside.filters import convolutions, filters
from lit_mnist.inside.maps import journey
from lit_mnist.inside.passes import batches, dataset_part
from lit_mnist.inside.statistics import activation_statistics, silence
from lit_mnist.inside.top_images import top_images

CKPT = os.environ.get("LIT_MNIST_CKPT", "../runs/cnn/version_0")  # a run folder, a checkpoint or a Keras file
COUNT = int(os.environ.get("LIT_MNIST_COUNT", 10_000))  # images to go through; the tests take fewer


def show(figure):
    """Records show themselves; figures drawn in another way are plain objects, beside pyplot, shown as PNG."""
    return Image(to_bytes(figure))


# %%
model = open_model(CKPT)
print(model.path, "seed", model.seed, "trained on", model.dataset)
print(*model.spec.names)

# %% [markdown]
# ## Answers

# %%
for answer in model.predict(*(f"test:{number}" for number in range(10))):
    print(answer)

# %%
model.predict("test:19")[0]

# %% [markdown]
# ## Feature maps
#
# `capture` returns tensors by layer name. `NAME` is the value after the activation, `NAME:pre` before it.
# Hooks are always removed when the block ends.

# %%
first, last = convolutions(model.network)[0], convolutions(model.network)[-1]
digit = read_images(["test:19"], model.dataset)
with torch.no_grad(), capture(model.network, [first, f"{first}:pre"]) as maps:
    model.network(model.tensor(digit.pixels))
{name: (tuple(tensor.shape), float(tensor.min()), float(tensor.max())) for name, tensor in maps.items()}

# %%
records = {record.layer: record for record in model.feature_maps(["*", "*:pre"], "test:19")}
records[first]

# %% [markdown]
# Before the activation, in a signed scale: blue is what ReLU removes.

# %%
records[f"{first}:pre"]

# %% [markdown]
# Deeper maps are more abstract. Here each map is on its own scale, or standardised and clipped as in the articles:

# %%
show(draw_maps.feature_grid(records[last], own_scale=True))

# %%
show(draw_maps.feature_grid(records[first], standardize=True))

# %% [markdown]
# ## Gradients
#
# Captured tensors have gradients, which show what changes a class score.

# %%
with capture(model.network, last) as maps:
    logits = model.network(model.tensor(digit.pixels))
gradient = torch.autograd.grad(logits[0, 4], maps[last])[0]
gradient.mean((0, 2, 3)).topk(5)  # the maps whose rise would raise "4" most

# %% [markdown]
# ## Filters

# %%
filters(model.network, first, model.seed)

# %%
show(draw_filters.filters(filters(model.network, last, model.seed), map=0))

# %% [markdown]
# ## A journey: one map of every layer for three images

# %%
three = read_images(["test:0", "test:23", "test:28"], model.dataset)
journey(model, three, map=1)

# %% [markdown]
# ## Top images of a map
#
# One pass for all maps; the frame is the receptive field of the strongest position.

# %%
pixels, _ = dataset_part(model, "test")
pixels, names = pixels[:COUNT], [f"test:{number}" for number in range(COUNT)]
best = top_images(model.network, batches(model, pixels), last, k=8)[0]
show(draw_maps.top_images(best, "peak", range(min(8, len(best.peak.index))), pixels, names, model.seed))

# %% [markdown]
# ## Silent maps
#
# Silent on these data, silent for random input, or proved to be zero for every image: three different things.

# %%
statistics = activation_statistics(model.network, batches(model, pixels))
quiet = silence(model, statistics, attempts=200)
show(draw_statistics.activation_statistics(statistics, quiet, model.seed))

# %%
{layer.layer: sorted({layer.state(number) for number in range(len(layer.data))}) for layer in quiet}
