"""DCGAN: the plain generative adversarial network for images."""

from collections.abc import Callable
from typing import ClassVar

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm as spectrally_normalised

from fer_models.networks.base import Adversarial, Generator, Inverter


def initialise(module: nn.Module) -> None:
    """Draw weights from N(0, 0.02), as DCGAN's paper does."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, std=0.02)


class DCGAN(Generator, Adversarial):
    """Generator of faces without a chosen emotion (Radford et al. 2016, https://arxiv.org/abs/1511.06434).

    It departs from the paper in size: 6x6 grows to 48x48 in three steps.

    Args:
        latent_dim: Length of the latent vector.
        width: Channels before the last layer; each layer towards the latent vector has twice as many.
    """

    task = "gan"
    training_defaults: ClassVar = {
        **Generator.training_defaults,
        "loss": "non-saturating",
        "beta1": 0.5,
        "spectral_norm": False,
    }

    def __init__(self, latent_dim: int = 128, width: int = 64) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.layers = nn.Sequential(
            nn.ConvTranspose2d(latent_dim, 4 * width, 6, bias=False),
            nn.BatchNorm2d(4 * width),
            nn.ReLU(),
            *_grow(4 * width, 2 * width),
            *_grow(2 * width, width),
            nn.ConvTranspose2d(width, 1, 4, 2, padding=1),
            nn.Tanh(),
        )
        self.apply(initialise)

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        """Map z (B, latent_dim) to faces (B, 1, 48, 48) in [-1, 1]; ``label`` is ignored."""
        faces: Tensor = self.layers(z[:, :, None, None])
        return faces

    def discriminator(self, width: int, spectral_norm: bool) -> nn.Module:
        """Make the mirror image of the generator."""
        return DCGANDiscriminator(width, spectral_norm)


class DCGANDiscriminator(nn.Module):
    """Tell real faces from generated ones with strided convolutions.

    Args:
        width: Channels of the first layer; each further layer has twice as many.
        spectral_norm: Normalise layers spectrally, in place of batch normalisation.
    """

    def __init__(self, width: int = 64, spectral_norm: bool = False) -> None:
        super().__init__()
        wrap = normalised if spectral_norm else nn.Identity()
        norm: Callable[[int], nn.Module] = nn.Identity if spectral_norm else nn.BatchNorm2d
        self.layers = nn.Sequential(
            wrap(nn.Conv2d(1, width, 4, 2, padding=1)),
            nn.LeakyReLU(0.2),
            wrap(nn.Conv2d(width, 2 * width, 4, 2, padding=1, bias=False)),
            norm(2 * width),
            nn.LeakyReLU(0.2),
            wrap(nn.Conv2d(2 * width, 4 * width, 4, 2, padding=1, bias=False)),
            norm(4 * width),
            nn.LeakyReLU(0.2),
            wrap(nn.Conv2d(4 * width, 1, 6)),
        )
        self.apply(initialise)

    def forward(self, image: Tensor, label: Tensor) -> Tensor:
        """Map faces (B, 1, 48, 48) to logits (B,); ``label`` is ignored."""
        logits: Tensor = self.layers(image).flatten()
        return logits


class DCGANInverter(DCGAN, Inverter):
    """A DCGAN with an encoder that finds the latents of a face (Donahue et al. 2017, https://arxiv.org/abs/1605.09782).

    It departs from them: the encoder learns afterwards, while the generator stays as it is.

    Args:
        latent_dim: Length of the latent vector; as the generator's.
        width: Channels before the generator's last layer; as the generator's.
    """

    task = "inversion"
    training_defaults: ClassVar = Generator.training_defaults

    def __init__(self, latent_dim: int = 128, width: int = 64) -> None:
        super().__init__(latent_dim, width)
        self.encoder = nn.Sequential(
            *_shrink(1, width),
            *_shrink(width, 2 * width),
            *_shrink(2 * width, 4 * width),
            nn.Conv2d(4 * width, latent_dim, 6),
            nn.Flatten(),
        )

    def encode(self, image: Tensor) -> Tensor:
        """Map faces (B, 1, 48, 48), in [-1, 1], to latents (B, latent_dim)."""
        z: Tensor = self.encoder(image)
        return z


def normalised(layer: nn.Module) -> nn.Module:
    """Normalise a layer spectrally."""
    return spectrally_normalised(layer)


def _grow(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.ConvTranspose2d(inputs, outputs, 4, 2, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]


def _shrink(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 4, 2, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2)]
