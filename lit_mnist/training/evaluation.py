"""The metrics of validation and test: loss, accuracy by class, confusion matrix."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassConfusionMatrix

from ..data.module import Block
from ..network import Network, predicted_classes
from .losses import data_loss, penalty
from .sums import StepResult, Sums, summed


class Evaluation(nn.Module):
    """The metrics of one pass over validation or test images, read from the device at its end.

    `logits` (N, units) are those of this process' images, for callbacks at the end of the pass.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        # our labels need no checks, which would wait for the device
        self.metrics = MetricCollection(
            {
                "acc": MulticlassAccuracy(classes, average="micro", validate_args=False),
                "class_acc": MulticlassAccuracy(classes, average=None, validate_args=False),
                "confusion_matrix": MulticlassConfusionMatrix(classes, validate_args=False),
            },
            compute_groups=True,
        )
        self.logits: Tensor | None = None
        self.reset()

    def reset(self) -> None:
        """Start a new pass."""
        self.metrics.reset()
        self._results: list[StepResult] = []
        self._sizes: list[tuple[int, int]] = []

    def add(self, network: Network, block: Block) -> None:
        """Evaluate a block of batches."""
        for batch, size in zip(block, block.sizes, strict=True):
            logits = network.logits_from(batch.start, batch.images).float()
            self._results.append(
                StepResult(
                    data_loss(network, logits, batch.labels),
                    penalty(network),
                    logits,
                    batch.labels,
                    batch.total,
                )
            )
            self._sizes.append(size)

    def compute(self, stage: str, world: int) -> tuple[dict[str, float], Tensor]:
        """Return the metrics as ``{stage}/...``, over all processes, and the confusion matrix."""
        sums = Sums()
        self.logits = None
        if self._results:
            sums.add(summed(self._results, tuple(self._sizes)).sums)
            self.logits = torch.cat([result.logits for result in self._results])
            labels = torch.cat([result.labels for result in self._results])
            self.metrics.update(predicted_classes(self.logits), labels)
        counted = sums.metrics(world)
        values = self.metrics.compute()
        metrics = {f"{stage}/loss": counted["loss"], f"{stage}/acc": float(values["acc"])}
        if stage == "test":
            metrics |= {"test/correct": counted["correct"], "test/images": counted["images"]}
            metrics |= {
                f"test/acc_class_{i}": value for i, value in enumerate(values["class_acc"].tolist())
            }
        self.reset()
        return metrics, values["confusion_matrix"].cpu()
