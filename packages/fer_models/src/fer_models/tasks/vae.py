"""Training of variational autoencoders."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fer_data.errors import UserError, check_range
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
        warmup_epochs: Epochs in which that weight and the next one climb from 0.
        fader_weight: Of what keeps the emotion out of the latents of a conditional VAE: a small classifier learns to
            tell it from them, and the encoder learns to mislead it, so that the decoder must take the emotion from its
            label (Fader Networks, Lample et al. 2017, https://arxiv.org/abs/1706.00409; here with one optimizer and the
            gradient reversed, Ganin & Lempitsky 2015, https://arxiv.org/abs/1409.7495). 0 leaves it out.
        fd_every: Epochs between two judgements by the Fréchet distance; the first and the last are always judged.
    """

    network: VAE

    def __init__(
        self,
        model: str,
        network_config: dict[str, Any],
        lr: float = 1e-3,
        kl_weight: float = 5.0,
        warmup_epochs: float = 5.0,
        fader_weight: float = 0.0,
        fd_every: int = 1,
    ) -> None:
        super().__init__(model, network_config, fd_every)
        self.save_hyperparameters()
        check_range("--lr", lr, 0, 1)
        check_range("--kl_weight", kl_weight, 0)
        check_range("--warmup_epochs", warmup_epochs, 0)
        check_range("--fader_weight", fader_weight, 0)
        self.fader: nn.Module | None = None
        if fader_weight:
            if not self.network.conditional:
                raise UserError("--fader_weight hides the emotion from the latents, so it needs --conditional true")
            self.fader = nn.Sequential(
                nn.Linear(self.network.latent_dim, 256),
                nn.LeakyReLU(0.2),
                nn.Linear(256, 256),
                nn.LeakyReLU(0.2),
                nn.Linear(256, self.network.num_classes),
            )

    def training_step(self, batch: dict[str, Tensor], batch_index: int) -> Tensor:
        """Give the loss of one batch."""
        warmup = self.hparams["warmup_epochs"] * self.trainer.num_training_batches
        return self._step(batch, "train", min(1.0, (self.global_step + 1) / warmup if warmup else 1.0))

    def validation_step(self, batch: dict[str, Tensor], batch_index: int) -> None:
        """Log the loss on PublicTest, and judge samples."""
        self._step(batch, "val", 1.0)
        super().validation_step(batch, batch_index)

    def _step(self, batch: dict[str, Tensor], stage: str, share: float) -> Tensor:
        """Give the loss with a share of the weights, and log its parts."""
        image, label = batch["image"], batch["label"]
        mean, log_variance = self.network.posterior(image)
        z = mean + (log_variance / 2).exp() * torch.randn_like(mean) if self.training else mean
        reconstruction = gaussian_nll(image, self.network(z, label))
        divergence = kl_divergence(mean, log_variance).mean()
        loss: Tensor = reconstruction + share * self.hparams["kl_weight"] * divergence
        shown = {"reconstruction": reconstruction, "kl": divergence}
        if self.fader is not None:
            told = self.fader(reverse_gradient(z, share * self.hparams["fader_weight"])).float()
            shown["fader_accuracy"] = (told.argmax(1) == label).float().mean()
            loss = loss + F.cross_entropy(told, label)
        logged = {f"{stage}/{name}": value for name, value in {"loss": loss, **shown}.items()}
        self.log_dict(logged, on_step=False, on_epoch=True, prog_bar=True, batch_size=len(image), sync_dist=True)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Make Adam."""
        return torch.optim.Adam(self.parameters(), self.hparams["lr"])


def reverse_gradient(x: Tensor, weight: float) -> Tensor:
    """Give x as it is; its gradient comes back times ``-weight``."""
    return (1 + weight) * x.detach() - weight * x
