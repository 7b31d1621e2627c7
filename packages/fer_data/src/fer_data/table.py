"""The one shape that every source of faces is read into."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_data.emotions import EMOTIONS

USAGES = ("Training", "PublicTest", "PrivateTest")
"""The challenge's own three splits. Training trains, PublicTest selects, PrivateTest is reported."""

SIZE = 48
"""Height and width of a FER2013 face, in pixels."""


@dataclass(frozen=True)
class FaceTable:
    """Faces with their labels and splits.

    Attributes:
        images: uint8 (N, 48, 48), gray.
        labels: uint8 (N,), index into ``classes``.
        usage: uint8 (N,), index into ``USAGES``.
        rows: int64 (N,), each face's row in the official ``fer2013.csv``; None where the source doesn't tell.
        notes: What the user should know about how the source was read, as sentences.
        votes: uint8 (N, 10), FER+'s, columns as in ``FERPLUS_VOTES``; None where nobody asked for them.
        classes: Names of the labels: FER2013's seven emotions or FER+'s eight.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    usage: NDArray[np.uint8]
    rows: NDArray[np.int64] | None = None
    notes: tuple[str, ...] = ()
    votes: NDArray[np.uint8] | None = None
    classes: tuple[str, ...] = EMOTIONS

    def take(self, chosen: NDArray[Any]) -> "FaceTable":
        """Give some of the faces, by a mask (N,) or by positions."""
        of_each = {key: x for key, x in vars(self).items() if isinstance(x, np.ndarray)}
        return replace(self, **{key: x[chosen] for key, x in of_each.items()})
