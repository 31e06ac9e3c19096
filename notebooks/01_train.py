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
# # Train a network and look at its mistakes
#
# The three-conv network of `configs/cnn.yaml` from Python, with the curves drawn while it trains. The command that
# does the same, and writes a run folder with TensorBoard logs and a summary:
#
#     python -m lit_mnist fit --config configs/cnn.yaml

# %%
import os
import warnings
from functools import partial
from pathlib import Path

import lightning as L
from IPython.display import Image, display

from lit_mnist import LitClassifier, MNISTDataModule
from lit_mnist.cli.commands.summary import table_text
from lit_mnist.data import GOOD_ACCURACY
from lit_mnist.figures import evaluation as draw
from lit_mnist.figures.canvas import to_bytes
from lit_mnist.inside.evaluation import evaluate
from lit_mnist.runs.configured import spec_of_config
from lit_mnist.runs.model import Model, save_model
from lit_mnist.training.history import EpochHistory
from lit_mnist.training.optimizers import RMSprop
from lit_mnist.training.reports import EpochReport
from lit_mnist.training.schedules import InverseTimeDecay

CONFIG = os.environ.get("LIT_MNIST_CONFIG", "../configs/cnn.yaml")  # whose network is trained
DATASET = os.environ.get("LIT_MNIST_DATASET", "mnist")  # digits needs no files
EPOCHS = int(os.environ.get("LIT_MNIST_EPOCHS", 12))
SEED = 1

# %% [markdown]
# ## The network
#
# The description comes first: names, shapes, parameters and receptive fields are known before the network is built.

# %%
spec = spec_of_config(Path(CONFIG))
print(table_text(spec))

# %% [markdown]
# ## The data
#
# Standardised per pixel with the mean and deviation of the training split; the last tenth is kept for validation.
# If MNIST is missing and cannot be downloaded, the embedded digits replace it, and the last line says so.

# %%
data = MNISTDataModule(DATASET, fallback="digits", batch_size=64, seed=SEED)
prepared = data.prepared
print(len(prepared.train), "training,", len(prepared.validation), "validation,", len(prepared.test), "test images of",
      prepared.dataset.name)
if prepared.dataset.note:
    print(prepared.dataset.note)

# %% [markdown]
# ## Training
#
# RMSprop by Keras' rule with the sources' inverse-time decay. The picture is redrawn after every epoch: accuracy and
# loss, training green, validation red.

# %%
model = LitClassifier(spec, partial(RMSprop, momentum=0.8), InverseTimeDecay(0.001, 1, 0.001), seed=SEED)
picture = display(display_id=True)


class LiveCurves(EpochHistory):
    """Shows the curves in place of the last ones."""

    def on_train_epoch_end(self, trainer, pl_module):
        super().on_train_epoch_end(trainer, pl_module)
        seen = self.history
        figure = draw.training_curves(seen.epochs, seen.train_acc, seen.val_acc, seen.train_loss, seen.val_loss,
                                      good=GOOD_ACCURACY.get(prepared.dataset.name))
        picture.update(Image(to_bytes(figure)))


trainer = L.Trainer(max_epochs=EPOCHS, logger=False, enable_checkpointing=False, enable_progress_bar=False,
                    enable_model_summary=False, num_sanity_val_steps=0, callbacks=[LiveCurves(), EpochReport()])
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Lightning's advice on workers and logging intervals, which does not apply
    trainer.fit(model, data)

# %% [markdown]
# ## The test, once

# %%
trained = Model(model.network.cpu().eval(), prepared.standardizer, prepared.dataset.name, Path("cnn.ckpt"), SEED)
record = evaluate(trained, prepared.dataset.test_images, prepared.dataset.test_labels)
print(f"{record.correct} of {record.images} right: {record.correct / record.images:.2%}")

# %%
names = prepared.dataset.class_names
Image(to_bytes(draw.confusion_matrix(record.confusion, names, "test images")))

# %% [markdown]
# The most confident mistakes: which of them would you have read otherwise?

# %%
worst = record.wrong[:24]
Image(to_bytes(draw.worst_mistakes(prepared.dataset.test_images[worst], prepared.dataset.test_labels[worst],
                                   record.predicted[:24], record.confidence[:24],
                                   [f"test:{number}" for number in worst], names)))

# %% [markdown]
# ## Keep it
#
# Every command accepts the saved file as `--ckpt_path`; notebook `02_see_inside` continues from here.

# %%
save_model(trained, trained.path)
print("written:", trained.path)
