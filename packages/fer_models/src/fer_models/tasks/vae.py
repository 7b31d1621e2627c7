"""Training of variational autoencoders."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fer_data.errors import check_range
from fer_models.networks.cnn import CNN
from fer_models.networks.vae import VAE
from fer_models.tasks.generation import GenerationTask
from fer_models.training.losses import gaussian_nll, kl_divergence


class VAETask(GenerationTask):
    """Train an autoencoder whose latents are normally distributed, with Adam.

    Args:
        model: Name of the network.
        network_config: The network's own arguments.
        lr: Learning rate.
        kl_weight: Of the divergence beside the reconstruction; 1 is the evidence lower bound, more gives better samples
            and worse reconstructions (beta-VAE, Higgins et al. 2017, https://openreview.net/forum?id=Sy2fzU9gl).
        warmup_epochs: Epochs in which that weight and the next one climb from 0.
        reader_weight: Of what makes the decoder of a conditional VAE heed its label, which tells it 1.9 nats at most
            beside the latents' dozens: a small classifier, which learns from real faces alone, must read the emotion
            that is asked for, whatever the face's own is, as in an AC-GAN (Odena et al. 2017). 0 leaves it out.
        certainty: Probability of the emotion beyond which that is rewarded no more.
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
        reader_weight: float = 30.0,
        certainty: float = 0.8,
        fd_every: int = 1,
    ) -> None:
        super().__init__(model, network_config, fd_every)
        self.save_hyperparameters()
        check_range("--lr", lr, 0, 1)
        check_range("--kl_weight", kl_weight, 0)
        check_range("--warmup_epochs", warmup_epochs, 0)
        check_range("--reader_weight", reader_weight, 0)
        check_range("--certainty", certainty, 1e-6, 1)
        self.reader = CNN([16, 32, 64, 128]) if reader_weight and self.network.conditional else None

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
        if self.reader is not None and self.training:
            taught, asked = self._read(self.reader, image, label, z.detach())
            loss = loss + taught + share * self.hparams["reader_weight"] * asked
            shown |= {"reader": taught, "asked": asked}
        logged = {f"{stage}/{name}": value for name, value in {"loss": loss, **shown}.items()}
        self.log_dict(logged, on_step=False, on_epoch=True, prog_bar=True, batch_size=len(image), sync_dist=True)
        return loss

    def _read(self, reader: nn.Module, image: Tensor, label: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """Give the reader's loss on real faces, and the decoder's for faces of these and of random latents.

        Both are shown at half their size, where an emotion can be seen, and a pattern too fine to be one can't.
        """
        taught = F.cross_entropy(reader(F.avg_pool2d(image, 2)).float(), label)
        wanted = torch.randint(self.network.num_classes, label.shape, device=self.device)
        made = self.network(torch.where(torch.rand_like(z[:, :1]) < 0.5, z, torch.randn_like(z)), wanted)
        reader.requires_grad_(False).eval()  # it learns nothing from generated faces, nor do its running statistics
        likelihood = F.log_softmax(reader(F.avg_pool2d(made, 2)).float(), 1).gather(1, wanted[:, None])
        reader.requires_grad_(True).train()
        return taught, F.relu(math.log(self.hparams["certainty"]) - likelihood).mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Make Adam."""
        return torch.optim.Adam(self.parameters(), self.hparams["lr"])
