"""SE-ResNet for small gray faces: our strongest classifier."""

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fer_models.networks.base import Classifier
from fer_models.networks.cnn import SqueezeExcite

BLOCKS = {"18": (2, 2, 2, 2), "34": (3, 4, 6, 3)}


class BasicBlock(nn.Module):
    """Two convolutions, squeeze-and-excitation, and the input added.

    Args:
        inputs: Channels that come in.
        outputs: Channels that go out.
        stride: 2 halves the map.
        survival: Probability that a face passes the convolutions in training, rather than the sum's other arm alone
            (stochastic depth, Huang et al. 2016, https://arxiv.org/abs/1603.09382).
    """

    def __init__(self, inputs: int, outputs: int, stride: int, survival: float) -> None:
        super().__init__()
        self.survival = survival
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            SqueezeExcite(outputs, reduction=16),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H/stride, W/stride)."""
        change = self.body(x)
        if self.training and self.survival < 1:
            kept = torch.empty(len(x), 1, 1, 1, device=x.device, dtype=x.dtype).bernoulli_(self.survival)
            change = change * kept / self.survival
        return F.relu(self.shortcut(x) + change)


class ResNet(Classifier):
    """SE-ResNet with a stem for small images, at FER2013's own 48x48.

    Residual networks (He et al. 2016, https://arxiv.org/abs/1512.03385) with squeeze-and-excitation (Hu et al. 2018,
    https://arxiv.org/abs/1709.01507). It departs from ImageNet's stem: one 3x3 convolution of stride 1 and no pooling,
    as for CIFAR, because a 48x48 face has no pixels to spare. Gray comes in as one channel.

    Args:
        depth: Number of layers.
        width: Channels of the first stage; each further stage has twice as many.
        stochastic_depth: Share of faces that skip the last block in training; the first blocks are skipped less.
        dropout: Share of features dropped before the last layer, in training.
        input_size: Height and width of the input, in pixels.
        num_classes: Number of emotions.
    """

    def __init__(
        self,
        depth: Literal["18", "34"] = "18",
        width: int = 64,
        stochastic_depth: float = 0.1,
        dropout: float = 0.3,
        input_size: int = 48,
        num_classes: int = 7,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.stem = nn.Sequential(nn.Conv2d(1, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        self.stages = nn.Sequential(*_blocks(BLOCKS[depth], width, stochastic_depth))
        self.dropout = nn.Dropout(dropout)
        self.embedding_dim = 8 * width
        self.head = nn.Linear(8 * width, num_classes)

    def embed(self, image: Tensor) -> Tensor:
        """Map (B, 1, S, S) to (B, embedding_dim)."""
        embedding: Tensor = self.dropout(self.stages(self.stem(image)).mean((2, 3)))
        return embedding

    def blocks(self) -> Sequence[nn.Module]:
        """Give the stem and the residual blocks."""
        return [self.stem, *self.stages]


def _blocks(counts: Sequence[int], width: int, stochastic_depth: float) -> list[BasicBlock]:
    blocks: list[BasicBlock] = []
    channels = width
    for stage, count in enumerate(counts):
        outputs = width * 2**stage
        for k in range(count):
            survival = 1 - stochastic_depth * len(blocks) / (sum(counts) - 1)
            blocks.append(BasicBlock(channels, outputs, 2 if stage and not k else 1, survival))
            channels = outputs
    return blocks
