"""Training of classifiers."""

import math
from collections.abc import Callable
from typing import Any, Literal

import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor

from fer_data.emotions import EMOTIONS
from fer_models.losses import mixup, soft_cross_entropy, soft_targets
from fer_models.metrics.classification import training_metrics
from fer_models.tasks.base import BaseTask


class ClassificationTask(BaseTask):
    """Train a network to name the emotion of a face.

    The defaults are the recipe behind ``checkpoints/cnn``. Mini-batch SGD with Nesterov momentum under a linear warm-up
    and a cosine, as in "Bag of Tricks" (He et al. 2019, https://arxiv.org/abs/1812.01187).

    Args:
        model: Name of the network.
        network_config: The network's own arguments.
        optimizer: ``sgd`` with Nesterov momentum 0.9, or ``adamw``.
        lr: Learning rate at the top of its curve.
        weight_decay: Of the weights; biases and normalisation are spared.
        warmup_epochs: Epochs in which the rate climbs from 0.
        label_smoothing: Probability that a target spreads over all emotions.
        mixup: Alpha of mixup; 0 is off.
    """

    def __init__(
        self,
        model: str,
        network_config: dict[str, Any],
        optimizer: Literal["sgd", "adamw"] = "sgd",
        lr: float = 0.1,
        weight_decay: float = 5e-4,
        warmup_epochs: float = 2.0,
        label_smoothing: float = 0.1,
        mixup: float = 0.0,
    ) -> None:
        super().__init__(model, network_config)
        self.save_hyperparameters()
        self.class_weights: Tensor | None = None
        self.val_metrics = training_metrics(len(EMOTIONS)).clone(prefix="val/")
        self.test_metrics = self.val_metrics.clone(prefix="test/")

    def forward(self, image: Tensor) -> Tensor:
        """Map (B, C, S, S) to logits (B, 7)."""
        logits: Tensor = self.network(image)
        return logits

    def on_fit_start(self) -> None:
        """Take the weights of the emotions in the loss from the data, where ``--balance loss`` wants them."""
        weights = getattr(self.trainer, "datamodule").loss_weights  # noqa: B009 (set by Trainer.fit, without a type)
        self.class_weights = None if weights is None else torch.tensor(weights, device=self.device)

    def training_step(self, batch: dict[str, Tensor], batch_index: int) -> Tensor:
        """Give the loss of one batch, blended by mixup where that is on."""
        targets = soft_targets(batch["label"], len(EMOTIONS), self.hparams["label_smoothing"])
        images, targets = mixup(batch["image"], targets, self.hparams["mixup"])
        logits = self(images)
        loss = soft_cross_entropy(logits, targets, self.class_weights)
        hits = (logits.argmax(1) == targets.argmax(1)).float().mean()
        shown = {"train/loss": loss, "train/accuracy": hits}
        self.log_dict(shown, on_step=False, on_epoch=True, prog_bar=True, batch_size=len(logits), sync_dist=True)
        return loss

    def validation_step(self, batch: dict[str, Tensor], batch_index: int) -> None:
        """Add one batch to the metrics ``val/...``."""
        self._evaluation_step(batch, "val")

    def test_step(self, batch: dict[str, Tensor], batch_index: int) -> None:
        """Add one batch to the metrics ``test/...``."""
        self._evaluation_step(batch, "test")

    def _evaluation_step(self, batch: dict[str, Tensor], stage: Literal["val", "test"]) -> None:
        logits = self(batch["image"])
        loss = soft_cross_entropy(logits, soft_targets(batch["label"], len(EMOTIONS)))
        metrics = self.val_metrics if stage == "val" else self.test_metrics
        metrics.update(logits.float(), batch["label"])
        shown: dict[str, Any] = {f"{stage}/loss": loss, **dict(metrics.items())}
        self.log_dict(shown, on_epoch=True, prog_bar=True, batch_size=len(logits), sync_dist=True)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Spare vectors (biases, normalisation) from weight decay; change the rate at each step."""
        decayed = [p for p in self.parameters() if p.requires_grad and p.ndim > 1]
        spared = [p for p in self.parameters() if p.requires_grad and p.ndim <= 1]
        lr, decay = self.hparams["lr"], self.hparams["weight_decay"]
        groups = [{"params": decayed, "weight_decay": decay}, {"params": spared, "weight_decay": 0.0}]
        optimizer: torch.optim.Optimizer
        if self.hparams["optimizer"] == "sgd":
            optimizer = torch.optim.SGD(groups, lr, momentum=0.9, nesterov=True)
        else:
            optimizer = torch.optim.AdamW(groups, lr)
        steps = int(self.trainer.estimated_stepping_batches)
        warmup = self.hparams["warmup_epochs"] * steps / (self.trainer.max_epochs or 1)
        rate = warmup_cosine(steps, min(warmup, steps / 2))
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def warmup_cosine(steps: int, warmup: float) -> Callable[[int], float]:
    """Give a learning rate's curve, 0 to 1 by step: up in a line for ``warmup`` steps, then down a half cosine."""

    def share(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))

    return share
