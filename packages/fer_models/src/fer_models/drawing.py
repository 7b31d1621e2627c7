"""Boxes and emotions drawn on pictures."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_data.emotions import COLOURS

if TYPE_CHECKING:
    from fer_models.predict import FacePrediction


def annotate(image: NDArray[np.uint8], predictions: Sequence["FacePrediction"]) -> bytes:
    """Draw each face's box and likeliest emotion on a copy of a picture.

    Args:
        image: uint8 (H, W, 3), RGB.
        predictions: Of the faces in it.

    Returns:
        The bytes of a PNG file, without metadata of the original.
    """
    canvas = np.ascontiguousarray(image[..., ::-1])
    unit = max(image.shape[:2]) / 640
    for prediction in predictions:
        _draw_face(canvas, prediction, unit)
    return png(canvas[..., ::-1])


def png(image: NDArray[np.uint8]) -> bytes:
    """Encode a picture, uint8 (H, W) or (H, W, 3) RGB, as the bytes of a PNG file."""
    stored = np.ascontiguousarray(image[..., ::-1] if image.ndim == 3 else image)
    encoded: NDArray[np.uint8] = cv2.imencode(".png", stored)[1]
    return encoded.tobytes()


def tile(faces: NDArray[np.uint8], columns: int, gap: int = 2) -> NDArray[np.uint8]:
    """Lay faces out in rows.

    Args:
        faces: uint8 (N, H, W).
        columns: Faces in a row; the last row may have fewer.
        gap: White pixels between faces.

    Returns:
        uint8 (height, width).
    """
    n, height, width = faces.shape
    rows = -(-n // columns)
    blank = np.full((rows * columns, height + gap, width + gap), 255, np.uint8)
    blank[:n, :height, :width] = faces
    table = blank.reshape(rows, columns, height + gap, width + gap).swapaxes(1, 2)
    picture: NDArray[np.uint8] = table.reshape(rows * (height + gap), -1)[:-gap, :-gap]
    return picture


def _draw_face(canvas: NDArray[np.uint8], prediction: "FacePrediction", unit: float) -> None:
    red, green, blue = bytes.fromhex(COLOURS[prediction.emotion][1:])
    colour = (blue, green, red)
    x1, y1, x2, y2 = (round(x) for x in prediction.face.box)
    cv2.rectangle(canvas, (x1, y1), (x2, y2), colour, max(1, round(2 * unit)))
    text = f"{prediction.emotion} {prediction.probabilities[prediction.emotion]:.2f}"
    font, scale, thickness = cv2.FONT_HERSHEY_SIMPLEX, 0.6 * max(unit, 0.8), max(1, round(unit))
    (width, height), below = cv2.getTextSize(text, font, scale, thickness)
    x = max(0, min(x1, canvas.shape[1] - width))
    y = y1 if y1 > height + below else min(y2 + height + below, canvas.shape[0])
    cv2.rectangle(canvas, (x, y - height - below), (x + width, y), colour, -1)
    cv2.putText(canvas, text, (x, y - below), font, scale, (255, 255, 255), thickness, cv2.LINE_AA)
