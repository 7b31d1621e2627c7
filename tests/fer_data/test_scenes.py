"""Faces stand in scenes where the scenes say they do."""

from dataclasses import replace

import numpy as np
import pytest

import photos
from fer_data.faces import Face, overlap
from fer_data.scenes import (
    BRIGHTNESS,
    SIDES,
    SIZE,
    SURROUNDS,
    TILT,
    TINT,
    Setting,
    best_match,
    make_scene,
    random_background,
    random_setting,
)  # fmt: skip

PLAIN = Setting(120, (250.0, 180.0), 0.0, (1.0, 1.0, 1.0), gray=False)
WALL = np.full((SIZE[1], SIZE[0], 3), 100, np.uint8)


def marked() -> np.ndarray:
    """A face's picture, bright above and dark below."""
    face = np.full((48, 48), 40, np.uint8)
    face[:24] = 220
    return face


def test_a_bare_face_fills_its_box_and_nothing_else():
    scene = make_scene(marked(), PLAIN, WALL)
    changed = np.argwhere((scene != 100).any(2))
    assert PLAIN.box == (190, 120, 310, 240)
    assert changed.min(0) == pytest.approx([120, 190], abs=1) and changed.max(0) == pytest.approx([239, 309], abs=1)
    assert scene[130, 250, 0] > 200 and scene[230, 250, 0] < 60


def test_a_head_that_leans_to_the_right_is_turned_clockwise():
    """The line between bright and dark falls to the right, so that what is level with the middle there is above it."""
    scene = make_scene(marked(), replace(PLAIN, tilt=20.0), WALL)
    assert scene[180, 250 + 40, 0] > 200 and scene[180, 250 - 40, 0] < 60


@pytest.mark.parametrize("surround", SURROUNDS)
def test_the_middle_is_the_same_whatever_is_around(surround: str):
    face = photos.small_faces()[0]
    bare, other = (
        make_scene(face, replace(PLAIN, tilt=10.0), WALL, kind)[150:210, 220:280] for kind in ("bare", surround)
    )
    assert np.abs(bare.astype(int) - other).max() <= 1
    far = make_scene(face, PLAIN, WALL, surround)[:40]
    assert (far == 100).all()


def test_light_and_gray():
    lit = make_scene(marked(), replace(PLAIN, light=(1.2, 1.0, 0.8)), WALL)
    assert lit[0, 0].tolist() == [120, 100, 80]
    gray = make_scene(marked(), replace(PLAIN, light=(1.2, 1.0, 0.8), gray=True), WALL)
    assert (gray == gray[..., :1]).all()


def test_settings_stay_within_their_ranges_and_the_picture_and_come_again_with_the_seed():
    settings = [random_setting(np.random.default_rng(seed)) for seed in range(300)]
    assert settings == [random_setting(np.random.default_rng(seed)) for seed in range(300)]
    for each in settings:
        angle = np.deg2rad(abs(each.tilt))
        reach = each.side / 2 * (np.cos(angle) + np.sin(angle))
        assert all(reach <= place <= length - reach for place, length in zip(each.centre, SIZE, strict=True))
        assert SIDES[0] <= each.side <= SIDES[1] and abs(each.tilt) <= TILT
        assert all(BRIGHTNESS[0] * (1 - TINT) <= gain <= BRIGHTNESS[1] * (1 + TINT) for gain in each.light)
    assert 100 < sum(each.gray for each in settings) < 200 and {each.tilt > 0 for each in settings} == {True, False}


def test_backgrounds_are_clouds_and_photographs():
    rng = np.random.default_rng(0)
    white = np.full((400, 600), 255, np.uint8)
    made = [random_background(rng, [white]) for _ in range(40)]
    assert all(each.shape == (480, 640, 3) and each.dtype == np.uint8 for each in made)
    assert 10 < sum(bool((each == 255).all()) for each in made) < 30


def test_what_is_found_is_matched_by_its_box():
    near, far = (Face(box, 1.0, ()) for box in ((205.0, 120.0, 295.0, 240.0), (0.0, 0.0, 90.0, 120.0)))
    assert overlap(near.box, PLAIN.box) == pytest.approx(0.75)
    assert best_match([far, near], PLAIN.box) is near and best_match([far], PLAIN.box) is None is best_match(
        [], PLAIN.box
    )


def test_a_real_face_is_found_where_it_was_set():
    face = photos.small_faces()[0]
    for surround in ("bare", "continued"):
        setting = replace(PLAIN, side=150, tilt=12.0)
        found = best_match(photos.detector().detect([make_scene(face, setting, WALL, surround)])[0], setting.box)
        assert found is not None and found.tilt == pytest.approx(12, abs=8)
