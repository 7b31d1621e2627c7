"""VGG19 with additional layers, for transfer learning on faces."""

from collections.abc import Mapping, Sequence

from torch import Tensor, nn
from torchvision.models import VGG19_BN_Weights
from torchvision.models.vgg import cfgs, make_layers

from fer_models.networks.base import Classifier, gray_filters


class VGG19(Classifier):
    """torchvision's VGG19 features with batch normalisation, and a small head of our own.

    Simonyan & Zisserman 2014 (https://arxiv.org/abs/1409.1556). It departs from the paper behind the convolutions: its
    two layers of 4096 units (120 M parameters, made for 7x7 maps) give way to average pooling and one hidden layer.
    Gray comes in as one channel; ImageNet's first filters are summed over the colours (``gray_filters``).

    Args:
        hidden: Units of the additional layer.
        dropout: Share of its units dropped in training.
        input_size: Height and width of the input, in pixels; 32 or more, e.g. 48, 64, 96, 112 or 224.
        num_classes: Number of emotions.
    """

    imagenet = VGG19_BN_Weights.IMAGENET1K_V1

    def __init__(self, hidden: int = 256, dropout: float = 0.5, input_size: int = 48, num_classes: int = 7) -> None:
        super().__init__()
        self.input_size = input_size
        self.features = make_layers(cfgs["E"], batch_norm=True)
        self.features[0] = nn.Conv2d(1, 64, 3, padding=1)
        for layer in self.features:
            if isinstance(
                layer, nn.Conv2d
            ):  # as torchvision's VGG begins; torch's own start is too small for 16 layers
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        self.embedding_dim = 512
        self.head = nn.Sequential(
            nn.Linear(512, hidden, bias=False),
            nn.BatchNorm1d(hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, num_classes),
        )

    def embed(self, image: Tensor) -> Tensor:
        """Map (B, 1, S, S) to (B, 512)."""
        embedding: Tensor = self.features(image).mean((2, 3))
        return embedding

    def blocks(self) -> Sequence[nn.Module]:
        """Give the five groups of convolutions between the poolings."""
        groups: list[nn.Module] = []
        current: list[nn.Module] = []
        for layer in self.features:
            current.append(layer)
            if isinstance(layer, nn.MaxPool2d):
                groups.append(nn.Sequential(*current))
                current = []
        return groups

    def take_imagenet(self, weights: Mapping[str, Tensor]) -> None:
        """Load the features of torchvision's ``vgg19_bn``."""
        prefix = "features."
        features = {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}
        self.features.load_state_dict({**features, "0.weight": gray_filters(features["0.weight"])})
