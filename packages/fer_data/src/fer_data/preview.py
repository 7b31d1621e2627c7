"""A picture of originals and their augmented copies."""

import numpy as np
from numpy.typing import NDArray

from fer_data.augment import Augment
from fer_data.emotions import EMOTIONS
from fer_data.table import SIZE, FaceTable

GAP = 4


def sheet(table: FaceTable, augment: Augment, copies: int = 9, seed: int = 0, zoom: int = 2) -> NDArray[np.uint8]:
    """Draw one row for each emotion: a Training face, then augmented copies of it.

    Args:
        table: The faces.
        augment: What changes them.
        copies: Augmented copies in a row.
        seed: Chooses faces and changes.
        zoom: Pixels of the picture for each pixel of a face.

    Returns:
        uint8 (height, width), gray.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for label in range(len(EMOTIONS)):
        candidates = np.flatnonzero((table.labels == label) & (table.usage == 0))
        if len(candidates):
            face = table.images[rng.choice(candidates)]
            changed = [augment(face, seed=int(s)) for s in rng.integers(2**32, size=copies)]
            rows.append(np.concatenate([_framed(face, zoom), *(_framed(one, zoom) for one in changed)], axis=1))
    return np.concatenate(rows)


def _framed(face: NDArray[np.uint8], zoom: int) -> NDArray[np.uint8]:
    framed = np.full((SIZE * zoom + GAP, SIZE * zoom + GAP), 255, np.uint8)
    framed[: SIZE * zoom, : SIZE * zoom] = face.repeat(zoom, 0).repeat(zoom, 1)
    return framed
