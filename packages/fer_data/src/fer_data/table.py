"""The one shape that every source of faces is read into."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

USAGES = ("Training", "PublicTest", "PrivateTest")
"""The challenge's own three splits. Training trains, PublicTest selects, PrivateTest is reported."""

SIZE = 48
"""Height and width of a FER2013 face, in pixels."""


@dataclass(frozen=True)
class FaceTable:
    """Faces with their labels and splits.

    Attributes:
        images: uint8 (N, 48, 48), gray.
        labels: uint8 (N,), index into ``EMOTIONS``.
        usage: uint8 (N,), index into ``USAGES``.
        rows: int64 (N,), each face's row in the official ``fer2013.csv``; None where the source doesn't tell.
        notes: What the user should know about how the source was read, as sentences.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    usage: NDArray[np.uint8]
    rows: NDArray[np.int64] | None = None
    notes: tuple[str, ...] = ()
