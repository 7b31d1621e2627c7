"""Our small classifier for 48x48 gray faces: fast on a CPU, 1.2 M parameters."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fer_models.networks.base import Classifier


class SqueezeExcite(nn.Module):
    """Weigh channels by what the whole map holds (Hu et al. 2018, https://arxiv.org/abs/1709.01507).

    Args:
        channels: Of the input and the output.
        reduction: How many times fewer channels lie between; one at least.
    """

    def __init__(self, channels: int, reduction: int = 8) -> None:
        super().__init__()
        between = max(1, channels // reduction)
        self.squeeze = nn.Linear(channels, between)
        self.excite = nn.Linear(between, channels)
        # After batch norm the means lie near 0, so that the bias alone would decide: few channels could all start dead.
        nn.init.zeros_(self.squeeze.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        weights = torch.sigmoid(self.excite(F.relu(self.squeeze(x.mean((2, 3))))))
        return x * weights[:, :, None, None]


class Stage(nn.Module):
    """Halve the map and widen it with one convolution, then refine it with residual ones.

    Args:
        inputs: Channels that come in.
        outputs: Channels that go out.
        blocks: Number of residual convolutions.
    """

    def __init__(self, inputs: int, outputs: int, blocks: int) -> None:
        super().__init__()
        self.widen = nn.Sequential(
            nn.MaxPool2d(2), nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
        )
        self.refine = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
                nn.BatchNorm2d(outputs),
                SqueezeExcite(outputs),
            )
            for _ in range(blocks)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H/2, W/2)."""
        x = self.widen(x)
        for block in self.refine:
            x = F.relu(x + block(x))
        return x


class CNN(Classifier):
    """Convolutional classifier of gray 48x48 faces.

    A VGG-like pyramid (Simonyan & Zisserman 2014, https://arxiv.org/abs/1409.1556) with residual sums and
    squeeze-and-excitation; it departs from VGG by one convolution only at full resolution, which is where a CPU
    spends its time, and by average pooling instead of large linear layers.

    Args:
        widths: Channels of the stem and of the three stages.
        blocks: Residual convolutions in each stage.
        dropout: Share of features dropped before the last layer, in training.
        num_classes: Number of emotions.
    """

    input_size = 48

    def __init__(
        self,
        widths: Sequence[int] = (32, 64, 128, 256),
        blocks: Sequence[int] = (1, 1, 1),
        dropout: float = 0.3,
        num_classes: int = 7,
    ) -> None:
        super().__init__()
        if len(blocks) != len(widths) - 1:
            raise ValueError(f"{len(blocks)} blocks for {len(widths)} widths: give one number of blocks for each stage")
        self.stem = nn.Sequential(
            nn.Conv2d(1, widths[0], 3, padding=1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU()
        )
        self.stages = nn.Sequential(*(Stage(i, o, n) for i, o, n in zip(widths, widths[1:], blocks, strict=False)))
        self.dropout = nn.Dropout(dropout)
        self.embedding_dim = widths[-1]
        self.head = nn.Linear(widths[-1], num_classes)

    def embed(self, image: Tensor) -> Tensor:
        """Map (B, 1, S, S) to (B, embedding_dim)."""
        embedding: Tensor = self.dropout(self.stages(self.stem(image)).mean((2, 3)))
        return embedding

    def blocks(self) -> Sequence[nn.Module]:
        """Give the stem and the stages."""
        return [self.stem, *self.stages]
