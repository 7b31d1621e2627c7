"""Conditional GAN: faces with a chosen emotion."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fer_models.networks.base import Adversarial, Generator
from fer_models.networks.dcgan import normalised


class ConditionalBatchNorm(nn.Module):
    """Batch normalisation with scale and shift of each class (de Vries et al. 2017, https://arxiv.org/abs/1707.00683).

    Args:
        channels: Of the input and the output.
        num_classes: Number of emotions.
    """

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.scale = nn.Parameter(torch.ones(num_classes, channels))
        self.shift = nn.Parameter(torch.zeros(num_classes, channels))

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        """Normalise (B, C, H, W) by label (B,)."""
        scaled: Tensor = self.norm(x) * self.scale[label][:, :, None, None] + self.shift[label][:, :, None, None]
        return scaled


class UpBlock(nn.Module):
    """Double the map in a residual block.

    Args:
        inputs: Channels that come in.
        outputs: Channels that go out.
        num_classes: Number of emotions.
    """

    def __init__(self, inputs: int, outputs: int, num_classes: int) -> None:
        super().__init__()
        self.norm1 = ConditionalBatchNorm(inputs, num_classes)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm2 = ConditionalBatchNorm(outputs, num_classes)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        """Map (B, inputs, H, W) and label (B,) to (B, outputs, 2H, 2W)."""
        change = self.conv1(double(F.relu(self.norm1(x, label))))
        change = self.conv2(F.relu(self.norm2(change, label)))
        doubled: Tensor = double(self.shortcut(x)) + change
        return doubled


class CGAN(Generator, Adversarial):
    """Generator of faces with a chosen emotion.

    Mirza & Osindero 2014 (https://arxiv.org/abs/1411.1784), in the form of Miyato & Koyama 2018
    (https://arxiv.org/abs/1802.05637): a residual generator with class-conditional batch normalisation against a
    discriminator that projects its features on the class. It departs from them in size: 6x6 grows to 48x48, and
    channels halve as the map doubles, so that a CPU can train it.

    Args:
        latent_dim: Length of the latent vector.
        width: Channels of the last block; each block towards the latent vector has twice as many.
        num_classes: Number of emotions.
    """

    task = "gan"
    conditional = True

    def __init__(self, latent_dim: int = 128, width: int = 32, num_classes: int = 7) -> None:
        super().__init__()
        self.latent_dim, self.num_classes = latent_dim, num_classes
        channels = [8 * width, 4 * width, 2 * width, width]
        self.start = nn.Linear(latent_dim, channels[0] * 6 * 6)
        self.blocks = nn.ModuleList(UpBlock(i, o, num_classes) for i, o in pairwise(channels))
        self.end = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, 1, 3, padding=1), nn.Tanh())

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        """Map z (B, latent_dim) and label (B,) to faces (B, 1, 48, 48) in [-1, 1]."""
        x = self.start(z).unflatten(1, (-1, 6, 6)).contiguous(memory_format=torch.channels_last)
        for block in self.blocks:
            x = block(x, label)
        faces: Tensor = self.end(x)
        return faces

    def discriminator(self, width: int, spectral_norm: bool) -> nn.Module:
        """Make a projection discriminator."""
        return ProjectionDiscriminator(width, spectral_norm, self.num_classes)


class DownBlock(nn.Module):
    """Halve the map in a residual block without normalisation.

    Args:
        inputs: Channels that come in.
        outputs: Channels that go out.
        spectral_norm: Normalise layers spectrally.
    """

    def __init__(self, inputs: int, outputs: int, spectral_norm: bool) -> None:
        super().__init__()
        wrap = normalised if spectral_norm else nn.Identity()
        self.body = nn.Sequential(
            nn.ReLU(),
            wrap(nn.Conv2d(inputs, inputs, 3, padding=1)),
            nn.ReLU(),
            wrap(nn.Conv2d(inputs, outputs, 4, 2, padding=1)),
        )
        self.shortcut = wrap(nn.Conv2d(inputs, outputs, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H/2, W/2)."""
        halved: Tensor = self.shortcut(F.avg_pool2d(x, 2)) + self.body(x)
        return halved


class ConvolutionalTrunk(nn.Module):
    """From a face to a vector; the discriminators of cgan and acgan share its shape.

    Args:
        width: Channels of the first layer; each block has twice as many as the one before it.
        spectral_norm: Normalise layers spectrally.
    """

    def __init__(self, width: int, spectral_norm: bool) -> None:
        super().__init__()
        wrap = normalised if spectral_norm else nn.Identity()
        self.features_dim = 8 * width
        # The first layer halves the map by itself: a block at 48x48 would cost as much as all others together.
        self.layers = nn.Sequential(
            wrap(nn.Conv2d(1, width, 4, 2, padding=1)),
            DownBlock(width, 2 * width, spectral_norm),
            DownBlock(2 * width, 4 * width, spectral_norm),
            nn.ReLU(),
            wrap(nn.Conv2d(4 * width, 8 * width, 3, padding=1)),
            nn.ReLU(),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Map faces (B, 1, 48, 48) to (B, features_dim)."""
        features: Tensor = self.layers(image).mean((2, 3))
        return features


class ProjectionDiscriminator(nn.Module):
    """Tell real pairs of face and emotion from generated ones.

    Args:
        width: Channels of the first layer.
        spectral_norm: Normalise layers spectrally.
        num_classes: Number of emotions.
    """

    def __init__(self, width: int, spectral_norm: bool, num_classes: int) -> None:
        super().__init__()
        wrap = normalised if spectral_norm else nn.Identity()
        self.trunk = ConvolutionalTrunk(width, spectral_norm)
        self.real = wrap(nn.Linear(self.trunk.features_dim, 1))
        self.of_class = wrap(nn.Embedding(num_classes, self.trunk.features_dim))

    def forward(self, image: Tensor, label: Tensor) -> Tensor:
        """Map faces (B, 1, 48, 48) and emotions (B,) to logits (B,)."""
        features = self.trunk(image)
        logits: Tensor = self.real(features)[:, 0] + (self.of_class(label) * features).sum(1)
        return logits


def double(x: Tensor) -> Tensor:
    """Repeat each pixel of (B, C, H, W) twice in both directions."""
    return F.interpolate(x, scale_factor=2, mode="nearest")
