"""What every network tells about itself."""

from typing import ClassVar

from torch import nn


class Network(nn.Module):
    """A network of the registry: constructor arguments are JSON builtins with defaults.

    Attributes:
        task: Key of the task in ``registry.TASKS`` that trains it.
        input_size: Height and width of its input, in pixels.
        input_channels: 1 for gray, 3 for RGB.
    """

    task: ClassVar[str]
    input_size: int
    input_channels: int
