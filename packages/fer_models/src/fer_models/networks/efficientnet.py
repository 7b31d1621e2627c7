"""EfficientNet, for transfer learning with some blocks unfrozen."""

from collections.abc import Mapping, Sequence
from typing import Literal

from torch import Tensor, nn
from torchvision import models
from torchvision.models import EfficientNet_B0_Weights, EfficientNet_B1_Weights, EfficientNet_B2_Weights
from torchvision.models.efficientnet import EfficientNet as TorchvisionEfficientNet

from fer_models.networks.base import Classifier, gray_filters

WEIGHTS = {
    "b0": EfficientNet_B0_Weights.IMAGENET1K_V1,
    "b1": EfficientNet_B1_Weights.IMAGENET1K_V1,
    "b2": EfficientNet_B2_Weights.IMAGENET1K_V1,
}


class EfficientNet(Classifier):
    """torchvision's EfficientNet (Tan & Le 2019, https://arxiv.org/abs/1905.11946) with a head for the emotions.

    It departs from the paper at the stem, which doesn't halve the map below 112 pixels: a 48x48 face would be down to
    2x2 at the end. Gray comes in as one channel; ImageNet's first filters are summed over the colours
    (``gray_filters``).

    Args:
        variant: b0, b1 or b2.
        stochastic_depth: Share of faces that skip the last block in training.
        dropout: Share of features dropped before the last layer, in training.
        input_size: Height and width of the input, in pixels, e.g. 48, 64, 96, 112 or 224.
        num_classes: Number of emotions.
    """

    def __init__(
        self,
        variant: Literal["b0", "b1", "b2"] = "b0",
        stochastic_depth: float = 0.2,
        dropout: float = 0.3,
        input_size: int = 48,
        num_classes: int = 7,
    ) -> None:
        super().__init__()
        self.input_size, self.imagenet = input_size, WEIGHTS[variant]
        build = getattr(models, f"efficientnet_{variant}")
        network: TorchvisionEfficientNet = build(stochastic_depth_prob=stochastic_depth)
        self.features = network.features
        stem, last = self.features[0], self.features[-1]
        stride = 1 if input_size < 112 else 2
        stem[0] = nn.Conv2d(1, stem[0].out_channels, 3, stride, padding=1, bias=False)
        self.dropout = nn.Dropout(dropout)
        self.embedding_dim = last[0].out_channels
        self.head = nn.Linear(last[0].out_channels, num_classes)

    def embed(self, image: Tensor) -> Tensor:
        """Map (B, 1, S, S) to (B, embedding_dim)."""
        embedding: Tensor = self.dropout(self.features(image).mean((2, 3)))
        return embedding

    def blocks(self) -> Sequence[nn.Module]:
        """Give stem, seven stages and the last convolution: nine blocks."""
        return list(self.features)

    def take_imagenet(self, weights: Mapping[str, Tensor]) -> None:
        """Load the features of torchvision's model of the same variant."""
        prefix = "features."
        features = {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}
        self.features.load_state_dict({**features, "0.0.weight": gray_filters(features["0.0.weight"])})
