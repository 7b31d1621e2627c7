"""What a network's input is: the one way from a face's pixels to a tensor, in training and in serving."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_data.errors import UserError
from fer_data.images import to_gray

FER2013_MEAN, FER2013_STD = 0.5077, 0.2550
"""Mean and standard deviation of the pixels of FER2013's Training split, in [0, 1] (`fer-data stats` prints them)."""


@dataclass(frozen=True)
class Preprocess:
    """Resize, set the channels, and normalise. It belongs to a network and travels in its ``config.json``.

    Attributes:
        size: Height and width of the network's input, in pixels.
        channels: 1 for gray, 3 for networks that want RGB (gray is repeated: FER2013 has no colour).
        mean: Subtracted, one value for each channel, in [0, 1].
        std: Divided by, one value for each channel, in [0, 1].
    """

    size: int = 48
    channels: int = 1
    mean: tuple[float, ...] = (FER2013_MEAN,)
    std: tuple[float, ...] = (FER2013_STD,)

    def __post_init__(self) -> None:
        sizes_fit = self.channels in (1, 3) and len(self.mean) == len(self.std) == self.channels
        if not (isinstance(self.size, int) and 1 <= self.size <= 1024 and sizes_fit and min(self.std) > 0):
            raise UserError(
                f"{self} makes no sense: size 1 to 1024, 1 or 3 channels, a mean and a std above 0 for each"
            )

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Make a network's input of a face.

        Args:
            image: uint8 (H, W) gray or (H, W, 3) RGB; a colour face is made gray first, as FER2013 is.

        Returns:
            float32 (channels, size, size), about -2 to 2.
        """
        gray = to_gray(image)
        if gray.shape != (self.size, self.size):
            shrinks = min(gray.shape) > self.size
            way = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
            gray = cv2.resize(gray, (self.size, self.size), interpolation=way).astype(np.uint8)
        unit = gray.astype(np.float32) / 255
        mean = np.asarray(self.mean, np.float32)[:, None, None]
        std = np.asarray(self.std, np.float32)[:, None, None]
        return np.ascontiguousarray((np.broadcast_to(unit, (self.channels, *unit.shape)) - mean) / std)

    def to_dict(self) -> dict[str, Any]:
        """Give the fields as JSON builtins."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "Preprocess":
        """Make it of what ``to_dict`` gave."""
        return cls(fields["size"], fields["channels"], tuple(fields["mean"]), tuple(fields["std"]))
