"""Preprocess: one contract of pixels."""

import numpy as np
import pytest
from PIL import Image

from fer_data.preprocess import FER2013_MEAN, FER2013_STD, Preprocess


def test_gray_face_is_normalised():
    face = np.arange(48 * 48, dtype=np.uint32).reshape(48, 48).astype(np.uint8)
    made = Preprocess()(face)
    assert made.shape == (1, 48, 48) and made.dtype == np.float32 and made.flags.c_contiguous
    assert np.allclose(made[0], (face / 255 - FER2013_MEAN) / FER2013_STD, atol=1e-6)


def test_colour_is_made_gray_as_pillow_does():
    colour = np.random.default_rng(0).integers(0, 256, (48, 48, 3), np.uint8)
    gray = np.asarray(Image.fromarray(colour).convert("L"))
    assert np.abs(Preprocess()(colour) - Preprocess()(gray)).max() <= 1.01 / 255 / FER2013_STD


@pytest.mark.parametrize("shape", [(20, 20), (48, 48), (200, 200), (120, 300)])
def test_any_size_and_three_channels(shape: tuple[int, int]):
    face = np.full(shape, 128, np.uint8)
    made = Preprocess(64, 3, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))(face)
    assert made.shape == (3, 64, 64)
    assert np.allclose(made[:, 5, 5], (128 / 255 - np.array([0.485, 0.456, 0.406])) / [0.229, 0.224, 0.225], atol=1e-5)


def test_travels_as_json():
    preprocess = Preprocess(96, 3, (0.4, 0.5, 0.6), (0.2, 0.2, 0.2))
    assert Preprocess.from_dict(preprocess.to_dict()) == preprocess
    assert preprocess.to_dict()["mean"] == [0.4, 0.5, 0.6]
