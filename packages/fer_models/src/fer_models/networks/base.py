"""What every network tells about itself."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

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
    """

    task: ClassVar[str]
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


def gray_filters(weight: Tensor) -> Tensor:
    """Sum a first convolution's filters (O, 3, k, k) over red, green and blue: (O, 1, k, k).

    The answer to a gray picture is the same as that of the three-channel layer to the picture repeated three times, at
    a third of the cost.
    """
    return weight.sum(1, keepdim=True)
