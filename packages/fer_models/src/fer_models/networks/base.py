"""What every network tells about itself."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor, nn
from torchvision.models import WeightsEnum


class Network(nn.Module):
    """A network of the registry: constructor arguments are JSON builtins with defaults.

    Attributes:
        task: Key of the task in ``registry.TASKS`` that trains it.
        input_size: Height and width of the faces that it takes or gives, in pixels.
        input_channels: 1 for gray, 3 for RGB.
        input_mean: What each channel's mean is brought to zero from, in [0, 1]; None takes FER2013's.
        input_std: The same for the standard deviation.
        training_defaults: Options of train.py that it trains well with, where the user says nothing else.
    """

    task: ClassVar[str]
    training_defaults: ClassVar[dict[str, Any]] = {}
    input_size: int
    input_channels: int = 1
    input_mean: float | None = None
    input_std: float | None = None


class Classifier(Network, ABC):
    """A network that names the emotion of a face.

    Attributes:
        head: What makes logits of an embedding; it always learns.
        embedding_dim: How many numbers an embedding has.
        imagenet: torchvision's weights that it can start from; None where there are none.
    """

    task = "classification"
    head: nn.Module
    embedding_dim: int
    imagenet: WeightsEnum | None = None

    def forward(self, image: Tensor) -> Tensor:
        """Classify faces.

        Args:
            image: (B, C, S, S), normalised by this network's ``Preprocess``.

        Returns:
            Logits (B, num_classes), in the order of ``EMOTIONS``.
        """
        logits: Tensor = self.head(self.embed(image))
        return logits

    @abstractmethod
    def embed(self, image: Tensor) -> Tensor:
        """Map (B, C, S, S) to what the head sees, (B, embedding_dim)."""

    @abstractmethod
    def blocks(self) -> Sequence[nn.Module]:
        """List the parts before the head, from the input on, as they can be frozen."""

    def take_imagenet(self, weights: Mapping[str, Tensor]) -> None:
        """Load weights of torchvision's model of the same shape, without its last layers."""
        raise TypeError(f"{type(self).__name__} has no ImageNet weights")


class Generator(Network, ABC):
    """A network that makes faces, gray 48x48, in [-1, 1].

    Attributes:
        latent_dim: How many normally distributed numbers a face is made of.
        conditional: Whether the emotion can be chosen.
    """

    input_size = 48
    input_mean = input_std = 0.5
    training_defaults: ClassVar[dict[str, Any]] = {"augment": "flip", "batch_size": 64}
    latent_dim: int
    conditional: bool = False

    @abstractmethod
    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        """Make faces.

        Args:
            z: (B, latent_dim), from a standard normal distribution.
            label: (B,) int64, the emotion as in ``EMOTIONS``; a generator that isn't conditional ignores it.

        Returns:
            (B, 1, 48, 48), in [-1, 1].
        """


class Inverter(ABC):
    """A generator that also finds the latents of a given face."""

    @abstractmethod
    def encode(self, image: Tensor) -> Tensor:
        """Map faces (B, 1, 48, 48), in [-1, 1], to latents (B, latent_dim)."""


class Adversarial(ABC):
    """A generator that learns against a discriminator."""

    @abstractmethod
    def discriminator(self, width: int, spectral_norm: bool) -> nn.Module:
        """Make the discriminator, which is no part of the generator and is not published.

        It maps faces (B, 1, 48, 48) and their emotions (B,) to logits (B,), positive for real faces.

        Args:
            width: Channels of its first layer.
            spectral_norm: Divide each layer by its largest singular value (Miyato et al. 2018,
                https://arxiv.org/abs/1802.05957).
        """


def gray_filters(weight: Tensor) -> Tensor:
    """Sum a first convolution's filters (O, 3, k, k) over red, green and blue: (O, 1, k, k).

    The answer to a gray picture is the same as that of the three-channel layer to the picture repeated three times, at
    a third of the cost.
    """
    return weight.sum(1, keepdim=True)
