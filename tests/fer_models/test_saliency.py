"""Saliency of a face."""

import numpy as np
from numpy.typing import NDArray

from fer_data.emotions import EMOTIONS
from fer_models.saliency import occlusion, overlay


class Corner:
    """A classifier that looks at a face's upper left corner alone: the brighter, the happier."""

    def classify(self, faces: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
        happy = np.array([face[:12, :12].mean() / 255 for face in faces], np.float32)
        rows = np.repeat(((1 - happy) / 6)[:, None], len(EMOTIONS), axis=1)
        rows[:, EMOTIONS.index("happy")] = happy
        return rows


def corner_lit() -> NDArray[np.uint8]:
    face = np.full((96, 96), 60, np.uint8)
    face[:24, :24] = 250
    return face


def test_occlusion_finds_what_the_answer_rests_on():
    saliency = occlusion(Corner(), corner_lit(), "happy")
    assert saliency.shape == (48, 48) and saliency.dtype == np.float32
    assert saliency[:4, :4].min() > 0.5
    assert np.abs(saliency[24:, 24:]).max() < 1e-6


def test_occlusion_of_what_speaks_against_an_emotion_is_negative():
    assert occlusion(Corner(), corner_lit(), "sad")[:4, :4].max() < 0


def test_overlay_colours_only_what_speaks_for_the_emotion():
    face = corner_lit()
    drawn = overlay(face, occlusion(Corner(), face, "happy"), side=96)
    assert drawn.shape == (96, 96, 3) and drawn.dtype == np.uint8
    red, _, blue = drawn[2, 2].astype(int)
    assert red - blue > 100
    assert (drawn[60:, 60:] == 60).all()


def test_overlay_of_an_empty_map_is_the_face_in_gray():
    face = corner_lit()
    assert (overlay(face, np.zeros((48, 48), np.float32), side=96) == face[..., None]).all()
