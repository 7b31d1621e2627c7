"""Training of generative adversarial networks."""

from typing import Any, Literal, cast

import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn

from fer_data.emotions import EMOTIONS
from fer_data.errors import UserError, check_range
from fer_models.networks.base import Adversarial
from fer_models.tasks.generation import GenerationTask
from fer_models.training import losses
from fer_models.training.diff_augment import diff_augment

LOSSES = {
    "hinge": (losses.discriminator_hinge, losses.generator_hinge),
    "non-saturating": (losses.discriminator_non_saturating, losses.generator_non_saturating),
}
PATIENCE_WITH_NON_FINITE = 10


class GANTask(GenerationTask):
    """Train a generator against a discriminator, with Adam.

    Args:
        model: Name of the network.
        network_config: The network's own arguments.
        loss: ``hinge`` or ``non-saturating``.
        lr: Learning rate of the generator.
        discriminator_lr: Learning rate of the discriminator, as a multiple of the generator's.
        beta1: Adam's first momentum, of both.
        discriminator_width: Channels of the discriminator's first layer.
        spectral_norm: Bound the discriminator's slope by spectral normalisation.
        r1: Weight of the gradient penalty at real faces, e.g. 1; 0 is off. It is taken every 16th step.
        diff_augment: Show the discriminator augmented faces only, real and generated (DiffAugment).
        balanced_labels: Ask the generator for all emotions equally often, else as often as they are in the data.
        fd_every: Epochs between two judgements by the Fréchet distance; the first and the last are always judged.
    """

    R1_EVERY = 16

    def __init__(
        self,
        model: str,
        network_config: dict[str, Any],
        loss: Literal["hinge", "non-saturating"] = "hinge",
        lr: float = 2e-4,
        discriminator_lr: float = 1.0,
        beta1: float = 0.0,
        discriminator_width: int = 64,
        spectral_norm: bool = True,
        r1: float = 0.0,
        diff_augment: bool = True,
        balanced_labels: bool = True,
        fd_every: int = 1,
    ) -> None:
        super().__init__(model, network_config, fd_every)
        self.save_hyperparameters()
        check_range("--lr", lr, 0, 1)
        check_range("--discriminator_lr", discriminator_lr, 0, 1000)
        check_range("--beta1", beta1, 0, 0.999)
        check_range("--discriminator_width", discriminator_width, 1)
        check_range("--r1", r1, 0)
        self.automatic_optimization = False
        discriminator = cast(Adversarial, self.network).discriminator(discriminator_width, spectral_norm)
        self.discriminator = discriminator.to(memory_format=torch.channels_last)
        self._loss_of_discriminator, self._loss_of_generator = LOSSES[loss]
        self._skipped = 0

    @property
    def some_weights_unused(self) -> bool:
        """Each phase leaves the other network's weights without gradients."""
        return True

    def training_step(self, batch: dict[str, Tensor], batch_index: int) -> None:
        """Let the discriminator learn from one batch, then the generator."""
        optimizer_g, optimizer_d = cast(list[LightningOptimizer], self.optimizers())
        real, label = batch["image"], batch["label"]
        wanted = self.draw_labels(label)
        fake = self(torch.randn(len(real), self.network.latent_dim, device=self.device), wanted)

        # Phase D: tell real faces from generated ones; the generator stands still.
        loss_d = self.discriminator_loss(real, label, fake.detach(), wanted)
        if self.hparams["r1"] and batch_index % self.R1_EVERY == 0:
            loss_d = loss_d + self.hparams["r1"] / 2 * self.R1_EVERY * self.slope(real, label)
        self._step(optimizer_d, self.discriminator, loss_d)

        # Phase G: let the discriminator take generated faces for real; it stands still.
        self.discriminator.requires_grad_(False)
        loss_g = self.generator_loss(fake, wanted)
        self._step(optimizer_g, self.network, loss_g)
        self.discriminator.requires_grad_(True)

        shown = {"train/loss_d": loss_d.detach(), "train/loss_g": loss_g.detach()}
        self.log_dict(shown, on_step=False, on_epoch=True, prog_bar=True, batch_size=len(real), sync_dist=True)

    def discriminator_loss(self, real: Tensor, label: Tensor, fake: Tensor, wanted: Tensor) -> Tensor:
        """Give the discriminator's loss for real faces with their labels and generated ones with the labels asked for.

        Args:
            real: (B, 1, 48, 48).
            label: (B,).
            fake: (B, 1, 48, 48), without a way back to the generator.
            wanted: (B,).
        """
        # Apart, since batch normalisation over both together would give the answer away, and only in this phase.
        of_real = self.discriminator(self.shown(real), label)
        return self.adversarial(of_real, self.discriminator(self.shown(fake), wanted))

    def adversarial(self, real: Tensor, fake: Tensor) -> Tensor:
        """Give the discriminator's loss for its logits (B,) of real and generated faces; log how often it is right."""
        hits = ((real > 0).float().mean() + (fake < 0).float().mean()) / 2
        self.log("train/accuracy_d", hits, on_step=False, on_epoch=True, batch_size=len(real), sync_dist=True)
        return self._loss_of_discriminator(real, fake)

    def generator_loss(self, fake: Tensor, wanted: Tensor) -> Tensor:
        """Give the generator's loss for its faces (B, 1, 48, 48) and the labels (B,) that they were asked for with."""
        return self._loss_of_generator(self.discriminator(self.shown(fake), wanted))

    def shown(self, faces: Tensor) -> Tensor:
        """Augment what the discriminator sees, where that is on."""
        return diff_augment(faces) if self.hparams["diff_augment"] else faces

    def slope(self, real: Tensor, label: Tensor) -> Tensor:
        """Give the gradient penalty, in full precision: squares of small slopes vanish in 16 bits."""
        with torch.autocast(self.device.type, enabled=False):
            real = real.detach().float().requires_grad_()
            return losses.gradient_penalty(self.discriminator(real, label), real)

    def draw_labels(self, label: Tensor) -> Tensor:
        """Choose the emotions to generate, (B,), for a batch with the labels (B,)."""
        if self.hparams["balanced_labels"]:
            return torch.randint(len(EMOTIONS), label.shape, device=label.device)
        return label[torch.randperm(len(label), device=label.device)]

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Make one Adam for each network: generator, discriminator."""
        lr, betas = self.hparams["lr"], (self.hparams["beta1"], 0.999)
        return [
            torch.optim.Adam(self.network.parameters(), lr, betas),
            torch.optim.Adam(self.discriminator.parameters(), lr * self.hparams["discriminator_lr"], betas),
        ]

    def _step(self, optimizer: LightningOptimizer, network: nn.Module, loss: Tensor) -> None:
        """Let one network learn; a step whose gradients are no numbers is skipped and counted."""
        optimizer.zero_grad()
        self.manual_backward(loss)
        # Looked at after devices have shared gradients, so that all skip, or none; a 16-bit scaler does so by itself.
        gradients = [p.grad for p in network.parameters() if p.grad is not None]
        finite = self.trainer.precision == "16-mixed" or bool(torch.nn.utils.get_total_norm(gradients).isfinite())
        self._skipped = 0 if finite else self._skipped + 1
        if finite:
            optimizer.step()
        elif self._skipped == PATIENCE_WITH_NON_FINITE:
            raise UserError(
                f"{self._skipped} steps in a row had gradients that are no numbers, in epoch {self.current_epoch}: the "
                "learning rate is too high (--lr), or 16-bit numbers overflow (--precision 32-true)"
            )
