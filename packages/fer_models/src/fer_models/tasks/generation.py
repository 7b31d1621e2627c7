"""What the training of all generators shares: sampling, and judging as it goes."""

from typing import Any

import torch
from torch import Tensor

from fer_data.errors import check_range
from fer_models.generate import to_pixels
from fer_models.judging.encoder import load_encoder
from fer_models.metrics.generation import diversity, frechet_distance
from fer_models.networks.base import Generator
from fer_models.tasks.base import BaseTask

COLLAPSED, SETTLED = 0.3, 5


class GenerationTask(BaseTask):
    """A generator, judged on PublicTest by the Fréchet distance of a frozen encoder's features (``val/fd``).

    For each face of PublicTest one is generated with the same emotion, from latents that are the same each time.

    Args:
        model: Name of the network.
        network_config: The network's own arguments.
        fd_every: Epochs between two judgements; the first and the last epoch are always judged.
    """

    network: Generator
    monitor = ("val/fd", "min")

    def __init__(self, model: str, network_config: dict[str, Any], fd_every: int) -> None:
        super().__init__(model, network_config)
        check_range("--fd_every", fd_every, 1)
        self.fd_every = fd_every
        self._real: list[Tensor] = []
        self._fake: list[Tensor] = []
        self._labels: list[Tensor] = []

    def on_fit_start(self) -> None:
        """Load the encoder that judges."""
        self._encoder = load_encoder(str(self.device))

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        """Map latents (B, latent_dim) and emotions (B,) to faces (B, 1, 48, 48) in [-1, 1]."""
        faces: Tensor = self.network(z, label)
        return faces

    def fixed_latents(self, n: int, seed: int = 0) -> Tensor:
        """Draw n latents that are the same in each epoch and on each device, (n, latent_dim)."""
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(n, self.network.latent_dim, generator=generator).to(self.device)

    @property
    def judged_now(self) -> bool:
        """Whether this epoch is one of those that are judged."""
        epoch, last = self.trainer.current_epoch, (self.trainer.max_epochs or 1) - 1
        return epoch % self.fd_every == 0 or epoch == last

    def validation_step(self, batch: dict[str, Tensor], batch_index: int) -> None:
        """Encode one batch of real faces, and as many generated ones."""
        if not self.judged_now:
            return
        label = batch["label"]
        fake = self(self.fixed_latents(len(label), seed=batch_index), label)
        with torch.autocast(self.device.type, enabled=False):
            self._real.append(self._encoder(to_pixels(batch["image"])))
            self._fake.append(self._encoder(to_pixels(fake)))
        self._labels.append(label.cpu())

    def on_validation_epoch_end(self) -> None:
        """Log ``val/fd`` and ``val/diversity``; say so where a generator's faces have become all alike."""
        if not self._real:
            return
        real, fake, labels = torch.cat(self._real), torch.cat(self._fake), torch.cat(self._labels)
        self._real, self._fake, self._labels = [], [], []
        several = [k for k, n in enumerate(labels.bincount().tolist()) if n > 1]
        ratios = [diversity(fake[labels == k]) / diversity(real[labels == k]) for k in several]
        ratio = sum(ratios) / max(1, len(ratios))
        self.log_dict({"val/fd": frechet_distance(real, fake), "val/diversity": ratio}, sync_dist=True)
        if ratio < COLLAPSED and self.trainer.current_epoch >= SETTLED and self.trainer.is_global_zero:
            print(
                f"warning: mode collapse: within an emotion, generated faces differ {ratio:.2f} times as much as "
                "real ones; a lower --lr, --diff_augment true or a larger --batch_size may help"
            )
