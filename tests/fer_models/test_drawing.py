"""What is drawn on pictures can be read."""

import numpy as np
import pytest

from fer_data.emotions import COLOURS, EMOTIONS, TEXT_COLOURS
from fer_data.faces import Face
from fer_models.drawing import draw
from fer_models.results import FacePrediction


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_a_faces_emotion_stands_in_ink_that_can_be_read_on_its_colour(emotion: str):
    face = Face((100, 100, 300, 300), 1.0, ())
    drawn = draw(np.full((400, 640, 3), 128, np.uint8), [FacePrediction(face, {emotion: 1.0})])
    colours = {f"#{bytes(pixel).hex().upper()}" for pixel in drawn[:100].reshape(-1, 3)}
    assert {"#000000", "#FFFFFF", COLOURS[emotion]} & colours == {TEXT_COLOURS[emotion], COLOURS[emotion]}
