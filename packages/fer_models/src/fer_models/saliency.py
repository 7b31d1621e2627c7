"""Which parts of a face a classifier's answer rests on."""

from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_data.emotions import EMOTIONS
from fer_data.images import to_gray

if TYPE_CHECKING:
    from fer_models.predict import EmotionPredictor

_SIDE, _PATCH, _STEP = 48, 12, 4


def occlusion(predictor: "EmotionPredictor", face: NDArray[np.uint8], emotion: str) -> NDArray[np.float32]:
    """Cover one part of a face after the other and see how much less likely an emotion becomes.

    Zeiler & Fergus 2014, https://arxiv.org/abs/1311.2901. It needs nothing of the network but its answers, so
    networks can be compared by it. Each of 100 patches covers a sixteenth of the face with the face's mean gray.

    Args:
        predictor: Classifies the covered faces.
        face: Cropped, uint8 (H, W) or (H, W, 3).
        emotion: One of ``EMOTIONS``.

    Returns:
        Float32 (48, 48): by how much the probability falls when a pixel is covered, mean over the patches that cover
        it. Negative where covering makes the emotion likelier.
    """
    small = cv2.resize(to_gray(face), (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    corners = [(y, x) for y in range(0, _SIDE - _PATCH + 1, _STEP) for x in range(0, _SIDE - _PATCH + 1, _STEP)]
    covered = np.repeat(np.asarray(small, np.uint8)[None], len(corners) + 1, axis=0)
    for picture, (y, x) in zip(covered[1:], corners, strict=True):
        picture[y : y + _PATCH, x : x + _PATCH] = round(float(small.mean()))
    chances = predictor.classify(list(covered))[:, EMOTIONS.index(emotion)]
    falls, counts = np.zeros((_SIDE, _SIDE), np.float32), np.zeros((_SIDE, _SIDE), np.float32)
    for (y, x), chance in zip(corners, chances[1:], strict=True):
        falls[y : y + _PATCH, x : x + _PATCH] += chances[0] - chance
        counts[y : y + _PATCH, x : x + _PATCH] += 1
    return falls / counts


def overlay(face: NDArray[np.uint8], saliency: NDArray[np.float32], side: int = 288) -> NDArray[np.uint8]:
    """Lay a map over a face: the more a part speaks for the emotion, the more orange it is.

    Args:
        face: uint8 (H, W) or (H, W, 3).
        saliency: Float32 (h, w). Its largest value is fully orange; what isn't above 0 stays gray.
        side: Of the result, in pixels.

    Returns:
        uint8 (side, side, 3), RGB.
    """
    gray = cv2.resize(to_gray(face), (side, side), interpolation=cv2.INTER_CUBIC)
    strength = cv2.resize(np.maximum(saliency, 0), (side, side), interpolation=cv2.INTER_LINEAR)
    alpha = 0.75 * (strength / max(float(strength.max()), 1e-6))[..., None]
    mixed = (1 - alpha) * gray[..., None] + alpha * np.array([230, 126, 0])
    return np.asarray(mixed.round().clip(0, 255), np.uint8)
