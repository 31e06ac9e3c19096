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
# # Compare with Keras
#
# Train the same network in PyTorch and Keras, from the same weights and batches. Are the layers equal? Are the trained
# networks equally accurate? This needs TensorFlow (extra `keras`). Two seeds and two epochs only show how it works; for a
# run that can show equivalence, see `docs/compare.md`.

# %%
import os

from IPython.display import Image, Markdown

from lit_mnist.cli.commands.compare import compare
from lit_mnist.comparison.equivalence.statistics import compare_means, tost_power

CONFIG = os.environ.get("LIT_MNIST_CONFIG", "../configs/cnn.yaml")
OPTIONS = [f"data.dataset={os.environ.get('LIT_MNIST_DATASET', 'mnist')}"]
SEEDS, EPOCHS = int(os.environ.get("LIT_MNIST_SEEDS", 2)), int(os.environ.get("LIT_MNIST_EPOCHS", 2))
OUT = "compare"

# %% [markdown]
# ## Train both
#
# Each training runs in its own process. Finished trainings are kept in `compare/trainings`, so the cell can be run again.

# %%
result = compare(CONFIG, seeds=SEEDS, epochs=EPOCHS, options=OPTIONS, out=OUT)
print(result.text)

# %% [markdown]
# ## Layer by layer, with the same initial weights

# %%
rows = [f"| {row['layer']} | {row['ours']} | {row['keras']} | {row['largest_difference']:.1e} |"
        for row in result.data["layers"]]
Markdown("\n".join(["| layer | lit_mnist | Keras | largest difference |", "|---|---|---|---|", *rows]))

# %% [markdown]
# ## Loss curves and accuracies

# %%
Image(f"{OUT}/train_loss.png")

# %%
Image(f"{OUT}/accuracies.png")

# %% [markdown]
# ## The power of the test
#
# Assume a standard deviation of 0.06 points and a margin of 0.1. How likely is the verdict "equivalent" for equal
# networks, by number of seeds? And what is the verdict for a difference of 0.3 points?

# %%
for n in (2, 4, 8, 12):
    print(f"{n:>2} seeds: power {tost_power(0.06 * (2 / n) ** 0.5, 2 * n - 2):.2f}")
spread = [-0.08, -0.04, -0.01, 0.01, 0.04, 0.08]
print(compare_means([99.2 + s for s in spread], [98.9 + s for s in spread]).verdict)
