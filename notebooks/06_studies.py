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
# # Studies
#
# What does a hand-made filter respond to? Which clusters do the images form? What is the effect of a setting? The last part
# needs Optuna (extra `studies`).

# %%
import os
from pathlib import Path

import numpy as np
from IPython.display import Image

from lit_mnist.cli.commands.clusters import clusters
from lit_mnist.cli.commands.sweep import sweep
from lit_mnist.figures.canvas import to_bytes
from lit_mnist.figures.studies import filtered
from lit_mnist.studies.kernels import apply, read_kernel, read_photograph

DATASET = os.environ.get("LIT_MNIST_DATASET", "mnist")
EPOCHS = int(os.environ.get("LIT_MNIST_EPOCHS", 2))
CONFIG = os.environ.get("LIT_MNIST_CONFIG", "../configs/fashion_dense.yaml")

# %% [markdown]
# ## Hand-made filters and max-pooling on a photograph

# %%
photograph = read_photograph("china.jpg")
kernels = [read_kernel(name) for name in ("edges", "vertical", "horizontal")]
Image(to_bytes(filtered(photograph, [apply(photograph, kernel) for kernel in kernels])))

# %% [markdown]
# **Exercise.** To apply a kernel, multiply each pixel and its neighbours by the weights, sum, and clip to 0..255; the outermost
# pixels are left out. Here is the loop for a corner of the photograph. Change the weights and compare.

# %%
weights = [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]
corner = photograph[200:260, 200:260]
transformed = np.zeros((58, 58))
for y in range(1, 59):
    for x in range(1, 59):
        total = 0.0
        for row in (-1, 0, 1):
            for column in (-1, 0, 1):
                total += corner[y + row, x + column] * weights[row + 1][column + 1]
        transformed[y - 1, x - 1] = min(max(total, 0), 255)
difference = np.abs(transformed - apply(corner, read_kernel("vertical")).response).max()
print(f"largest difference to scipy.signal.correlate2d: {difference:.1e}")

# %% [markdown]
# ## Clusters of the images

# %%
print(clusters(k=[10, 40], dataset=DATASET, standardize="global", n_init=1, sample=1000, out="clusters").text)

# %%
Image("clusters/centres-40.png")

# %% [markdown]
# ## The effect of the learning rate
#
# Each trial is an ordinary run. The test images are read once, for the best setting.

# %%
Path("rates.yaml").write_text(f"""
settings: {{model.optimizer.init_args.learning_rate: {{grid: [0.0001, 0.003]}}}}
options:
  trainer.max_epochs: {EPOCHS}
  data.dataset: {DATASET}
  data.validation_fraction: 0.1
  data.validate_on: validation
""", encoding="utf-8")
print(sweep(CONFIG, "rates.yaml", out="rates").text)

# %%
Image("rates/curve.png")
