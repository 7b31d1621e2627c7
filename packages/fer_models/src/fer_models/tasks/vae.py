"""Training of variational autoencoders."""

from typing import Any

import torch
from torch import Tensor

from fer_data.errors import check_range
from fer_models.losses import gaussian_nll, kl_divergence
from fer_models.networks.vae import VAE
from fer_models.tasks.generation import GenerationTask


class VAETask(GenerationTask):
    """Train an autoencoder whose latents are normally distributed, with Adam.

    Args:
        model: Name of the network.
        network_config: The network's own arguments.
        lr: Learning rate.
        kl_weight: Of the divergence beside the reconstruction; 1 is the evidence lower bound, more gives better samples
            and worse reconstructions (beta-VAE, Higgins et al. 2017, https://openreview.net/forum?id=Sy2fzU9gl).
        kl_warmup_epochs: Epochs in which that weight climbs from 0.
        fd_every: Epochs between two judgements by the Fréchet distance; the first and the last are always judged.
    """

    network: VAE

    def __init__(
        self,
        model: str,
        network_config: dict[str, Any],
        lr: float = 1e-3,
        kl_weight: float = 5.0,
        kl_warmup_epochs: float = 5.0,
        fd_every: int = 1,
    ) -> None:
        super().__init__(model, network_config, fd_every)
        self.save_hyperparameters()
        check_range("--lr", lr, 0, 1)
        check_range("--kl_weight", kl_weight, 0)
        check_range("--kl_warmup_epochs", kl_warmup_epochs, 0)

    def training_step(self, batch: dict[str, Tensor], batch_index: int) -> Tensor:
        """Give the loss of one batch."""
        warmup = self.hparams["kl_warmup_epochs"] * self.trainer.num_training_batches
        weight = self.hparams["kl_weight"] * min(1.0, (self.global_step + 1) / warmup if warmup else 1.0)
        return self._step(batch, "train", weight)

    def validation_step(self, batch: dict[str, Tensor], batch_index: int) -> None:
        """Log the loss on PublicTest, and judge samples."""
        self._step(batch, "val", self.hparams["kl_weight"])
        super().validation_step(batch, batch_index)

    def _step(self, batch: dict[str, Tensor], stage: str, kl_weight: float) -> Tensor:
        image, label = batch["image"], batch["label"]
        mean, log_variance = self.network.posterior(image)
        z = mean + (log_variance / 2).exp() * torch.randn_like(mean) if self.training else mean
        reconstruction = gaussian_nll(image, self.network(z, label))
        divergence = kl_divergence(mean, log_variance).mean()
        loss = reconstruction + kl_weight * divergence
        shown = {f"{stage}/loss": loss, f"{stage}/reconstruction": reconstruction, f"{stage}/kl": divergence}
        self.log_dict(shown, on_step=False, on_epoch=True, prog_bar=True, batch_size=len(image), sync_dist=True)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Make Adam."""
        return torch.optim.Adam(self.network.parameters(), self.hparams["lr"])
