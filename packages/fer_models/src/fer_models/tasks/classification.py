"""Training of classifiers."""

import math
from collections.abc import Callable, Iterable
from typing import Any, Literal

import torch
from lightning import Callback
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn

from fer_data.emotions import EMOTIONS, FERPLUS_EMOTIONS
from fer_data.errors import UserError, check_range
from fer_models.metrics.classification import training_metrics
from fer_models.networks.base import Classifier
from fer_models.tasks.base import BaseTask
from fer_models.training.callbacks import Unfreezing
from fer_models.training.losses import (
    adjust_logits,
    cutmix,
    mixup,
    soft_cross_entropy,
    soft_targets,
    votes_cross_entropy,
)
from fer_models.training.optim import SAM
from fer_models.training.pretrained import load_imagenet, load_trained
from fer_models.training.teachers import Teachers


class ClassificationTask(BaseTask):
    """Train a network to name the emotion of a face.

    Mini-batch SGD with Nesterov momentum under a linear warm-up and a cosine, as in "Bag of Tricks" (He et al. 2019,
    https://arxiv.org/abs/1812.01187).

    Args:
        model: Name of the network.
        network_config: The network's own arguments.
        pretrained: Start from torchvision's ImageNet weights, out of its cache or by download.
        start_from: Start from the weights of a trained classifier of the same network, e.g. ``cnn``, to go on with
            other faces or another recipe.
        unfreeze_from: First block that learns: 0 for all, -2 for the last two; the head always learns.
        unfreeze_epoch: Epoch from which on blocks learn; before it the head learns alone.
        backbone_lr: Learning rate of the blocks, as a share of the head's.
        optimizer: ``sgd`` with Nesterov momentum 0.9, or ``adamw``.
        lr: Learning rate at the top of its curve, for the batch size given.
        weight_decay: Of the weights; biases and normalisation are spared.
        warmup_epochs: Epochs in which the rate climbs from 0, before the cosine takes it down to 0.
        label_smoothing: Probability that a target spreads over all emotions.
        soft_label_weight: Share of the data's ``--soft_labels`` in a target, where they are given; the rest is the
            label, smoothed.
        teacher: Classifiers to learn from, e.g. ``[runs/resnet/seed0,runs/resnet/seed1]``: for each batch one of them,
            drawn by lot, answers to the very pictures that the network sees, augmented and blended.
        teacher_weight: Its share in a target; the rest is what it is without a teacher.
        ferplus_weight: Weight of a second loss: a linear layer on the embedding, which isn't published, predicts how
            FER+'s votes are shared out; 0 is off. It needs FER+ beside the data; such a run is a track of its own.
        mixup: Alpha of mixup; 0 is off.
        cutmix: Alpha of cutmix; 0 is off. With both, each batch gets one of them by chance.
        logit_adjustment: Tau of logit adjustment against class imbalance; 0 is off.
        sam_rho: Radius of sharpness-aware minimisation, e.g. 0.05; 0 is off. It doubles the time of a step.
        sam_from: Share of the training after which SAM begins.
    """

    network: Classifier
    monitor = ("val/accuracy", "max")

    def __init__(
        self,
        model: str,
        network_config: dict[str, Any],
        pretrained: bool = False,
        start_from: str | None = None,
        unfreeze_from: int = 0,
        unfreeze_epoch: int = 0,
        backbone_lr: float = 1.0,
        optimizer: Literal["sgd", "adamw"] = "sgd",
        lr: float = 0.1,
        weight_decay: float = 5e-4,
        warmup_epochs: float = 2.0,
        label_smoothing: float = 0.1,
        soft_label_weight: float = 0.5,
        teacher: list[str] | None = None,
        teacher_weight: float = 1.0,
        ferplus_weight: float = 0.0,
        mixup: float = 0.0,
        cutmix: float = 0.0,
        logit_adjustment: float = 0.0,
        sam_rho: float = 0.0,
        sam_from: float = 0.67,
    ) -> None:
        super().__init__(model, network_config)
        self.num_classes: int = network_config.get("num_classes", len(EMOTIONS))
        self.save_hyperparameters()
        most = {"lr": 1e6, "label_smoothing": 1.0, "soft_label_weight": 1.0, "teacher_weight": 1.0}
        at_least_zero = ("backbone_lr", "weight_decay", "warmup_epochs", "ferplus_weight", "mixup", "cutmix", "sam_rho")
        for option in (*most, *at_least_zero):
            check_range(f"--{option}", self.hparams[option], 0, most.get(option, math.inf))
        if sam_rho and optimizer != "sgd":
            raise UserError(f"--sam_rho {sam_rho} works with --optimizer sgd only, not {optimizer}")
        if pretrained and start_from:
            raise UserError(f"--pretrained and --start_from {start_from} are two starts: choose one")
        if pretrained:
            load_imagenet(self.network)
        if start_from:
            self.origins["start"] = load_trained(self.network, start_from)
        self.teachers = Teachers(teacher, self.preprocess, self.num_classes) if teacher else None
        if self.teachers:
            self.origins["teachers"] = self.teachers.facts
        self.votes_head = nn.Linear(self.network.embedding_dim, len(FERPLUS_EMOTIONS)) if ferplus_weight else None
        self.class_weights: Tensor | None = None
        self.class_counts: Tensor | None = None
        self.val_metrics = training_metrics(self.num_classes).clone(prefix="val/")

    def forward(self, image: Tensor) -> Tensor:
        """Map (B, C, S, S) to logits (B, 7)."""
        logits: Tensor = self.network(image)
        return logits

    @property
    def some_weights_unused(self) -> bool:
        """Whether blocks are frozen, for a time or for good."""
        return bool(self.hparams["unfreeze_from"] or self.hparams["unfreeze_epoch"])

    def configure_callbacks(self) -> list[Callback]:
        """Freeze blocks where that is wanted."""
        return (
            [Unfreezing(self.hparams["unfreeze_from"], self.hparams["unfreeze_epoch"])]
            if self.some_weights_unused
            else []
        )

    def on_fit_start(self) -> None:
        """Take from the data what the loss needs to know of them, and bring the teachers to the device."""
        if self.teachers:
            self.teachers.to(self.device)
        data = getattr(self.trainer, "datamodule")  # noqa: B009 (set by Trainer.fit, without a type)
        weights = data.loss_weights
        self.class_weights = None if weights is None else torch.tensor(weights, device=self.device)
        self.class_counts = torch.tensor(data.class_counts, device=self.device, dtype=torch.float32)

    def training_step(self, batch: dict[str, Tensor], batch_index: int) -> Tensor:
        """Give the loss of one batch, blended by mixup or cutmix where they are on."""
        images, blended = self._blend(batch["image"], self._targets(batch))
        targets, votes = blended.tensor_split([self.num_classes], dim=1)
        logits, votes_logits = self._answer(images)
        shown = {"train/accuracy": (logits.argmax(1) == targets.argmax(1)).float().mean()}
        if self.teachers:
            targets = targets.lerp(self.teachers(images), self.hparams["teacher_weight"])
        tau = self.hparams["logit_adjustment"]
        adjusted = adjust_logits(logits, self.class_counts, tau) if tau and self.class_counts is not None else logits
        loss = soft_cross_entropy(adjusted, targets, self.class_weights)
        if votes_logits is not None:
            shown["train/votes_loss"] = votes_cross_entropy(votes_logits, votes)
            loss = loss + self.hparams["ferplus_weight"] * shown["train/votes_loss"]
        shown["train/loss"] = loss
        self.log_dict(shown, on_step=False, on_epoch=True, prog_bar=True, batch_size=len(logits), sync_dist=True)
        return loss

    def _targets(self, batch: dict[str, Tensor]) -> Tensor:
        """Make distributions (B, 7) of labels and soft labels; where votes are learnt, (B, 15) with these."""
        targets = soft_targets(batch["label"], self.num_classes, self.hparams["label_smoothing"])
        if "soft_label" in batch:
            targets = targets.lerp(batch["soft_label"], self.hparams["soft_label_weight"])
        return targets if self.votes_head is None else torch.cat([targets, batch["votes"]], 1)

    def _answer(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Give logits of the emotions, (B, 7), and of FER+'s, (B, 8), where votes are learnt."""
        if self.votes_head is None:
            return self(images), None
        embedding = self.network.embed(images)
        return self.network.head(embedding), self.votes_head(embedding)

    def _blend(self, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        ways = [(way, self.hparams[name]) for name, way in (("mixup", mixup), ("cutmix", cutmix)) if self.hparams[name]]
        if not ways:
            return images, targets
        way, alpha = ways[int(torch.randint(len(ways), ()))]
        return way(images, targets, alpha)

    def validation_step(self, batch: dict[str, Tensor], batch_index: int) -> None:
        """Add one batch to the metrics ``val/...``."""
        logits = self(batch["image"])
        loss = soft_cross_entropy(logits, soft_targets(batch["label"], self.num_classes))
        self.val_metrics.update(logits.float(), batch["label"])
        shown: dict[str, Any] = {"val/loss": loss, **dict(self.val_metrics.items())}
        self.log_dict(shown, on_epoch=True, prog_bar=True, batch_size=len(logits), sync_dist=True)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Make the optimizer, and a rate that changes at each step."""
        heads = nn.ModuleList([self.network.head] if self.votes_head is None else [self.network.head, self.votes_head])
        blocks = nn.ModuleList(self.network.blocks())
        lr = self.hparams["lr"]
        groups = [*self._groups(heads, lr), *self._groups(blocks, lr * self.hparams["backbone_lr"])]
        optimizer = self._optimizer(groups)
        steps = int(self.trainer.estimated_stepping_batches)
        warmup = self.hparams["warmup_epochs"] * steps / (self.trainer.max_epochs or 1)
        rate = warmup_cosine(steps, min(warmup, steps / 2))
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _groups(self, part: nn.Module, lr: float) -> Iterable[dict[str, Any]]:
        """Spare vectors (biases, normalisation) from weight decay."""
        decay = self.hparams["weight_decay"]
        yield {"params": [p for p in part.parameters() if p.ndim > 1], "lr": lr, "weight_decay": decay}
        yield {"params": [p for p in part.parameters() if p.ndim <= 1], "lr": lr, "weight_decay": 0.0}

    def _optimizer(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        lr, rho = self.hparams["lr"], self.hparams["sam_rho"]
        if self.hparams["optimizer"] == "adamw":
            return torch.optim.AdamW(groups, lr)
        if rho:
            return SAM(groups, lr, rho, momentum=0.9, nesterov=True)
        return torch.optim.SGD(groups, lr, momentum=0.9, nesterov=True)

    def on_train_batch_start(self, batch: Any, batch_index: int) -> None:
        """Let SAM begin when its time has come."""
        optimizer = self.trainer.optimizers[0]
        if isinstance(optimizer, SAM):
            optimizer.active = self.global_step >= self.hparams["sam_from"] * self.trainer.estimated_stepping_batches


def warmup_cosine(steps: int, warmup: float) -> Callable[[int], float]:
    """Give a learning rate's curve, 0 to 1 by step: up in a line for ``warmup`` steps, then down a half cosine."""

    def share(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))

    return share
