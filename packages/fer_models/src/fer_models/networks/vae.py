"""Variational autoencoder: faces from a smooth latent space, and back."""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fer_models.networks.base import Generator, Inverter


class VAE(Generator, Inverter):
    """Convolutional variational autoencoder (Kingma & Welling 2014, https://arxiv.org/abs/1312.6114).

    Conditional, the decoder is told the emotion (Sohn et al. 2015, https://papers.nips.cc/paper/5775); the encoder is
    not, so that a face of unknown emotion can be encoded and drawn again with each emotion.

    Args:
        latent_dim: Length of the latent vector.
        width: Channels at full resolution; they double as the map halves.
        conditional: Let the emotion be chosen.
        num_classes: Number of emotions.
    """

    task = "vae"
    training_defaults: ClassVar = {**Generator.training_defaults, "lr": 0.001}

    def __init__(self, latent_dim: int = 64, width: int = 32, conditional: bool = True, num_classes: int = 7) -> None:
        super().__init__()
        self.latent_dim, self.conditional, self.num_classes = latent_dim, conditional, num_classes
        self.encoder = nn.Sequential(
            *_halve(1, width),
            *_halve(width, 2 * width),
            *_halve(2 * width, 4 * width),
            *_halve(4 * width, 8 * width),
            nn.Flatten(),
            nn.Linear(8 * width * 9, 2 * latent_dim),
        )
        told = num_classes if conditional else 0
        self.start = nn.Linear(latent_dim + told, 8 * width * 9)
        self.decoder = nn.Sequential(
            *_double(8 * width, 4 * width),
            *_double(4 * width, 2 * width),
            *_double(2 * width, width),
            *_double(width, width),
            nn.Conv2d(width, 1, 3, padding=1),
            nn.Tanh(),
        )

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        """Map z (B, latent_dim) and label (B,), ignored if unconditional, to faces (B, 1, 48, 48) in [-1, 1]."""
        if self.conditional:
            z = torch.cat([z, F.one_hot(label, self.num_classes).to(z.dtype)], dim=1)
        start = self.start(z).unflatten(1, (-1, 3, 3)).contiguous(memory_format=torch.channels_last)
        faces: Tensor = self.decoder(start)
        return faces

    def posterior(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Map faces (B, 1, 48, 48) to the mean and the log-variance of their latents, (B, latent_dim) each."""
        mean, log_variance = self.encoder(image).chunk(2, dim=1)
        return mean, log_variance

    def encode(self, image: Tensor) -> Tensor:
        """Map faces (B, 1, 48, 48) to their likeliest latents (B, latent_dim)."""
        return self.posterior(image)[0]


def _halve(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 4, 2, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2)]


def _double(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.ConvTranspose2d(inputs, outputs, 4, 2, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
