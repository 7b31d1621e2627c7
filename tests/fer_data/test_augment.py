"""Augmentation: seeded, complete, and strict about its arguments."""

from collections.abc import Callable

import numpy as np
import pytest

from fer_data.augment import STRENGTHS, Augment, Strength, strength
from fer_data.errors import UserError

FACE = np.random.default_rng(0).integers(0, 256, (48, 48), np.uint8)


@pytest.mark.parametrize("name", STRENGTHS)
def test_keeps_shape_and_type(name: str):
    changed = Augment(STRENGTHS[name])(FACE, seed=1)
    assert changed.shape == (48, 48) and changed.dtype == np.uint8


def test_the_seed_alone_decides():
    one, two = Augment(STRENGTHS["strong"]), Augment(STRENGTHS["strong"])
    two(FACE, seed=99)  # what came before must not matter
    assert np.array_equal(one(FACE, seed=5), two(FACE, seed=5))
    assert not np.array_equal(one(FACE, seed=5), one(FACE, seed=6))


def test_none_changes_nothing():
    assert np.array_equal(Augment(STRENGTHS["none"])(FACE, seed=3), FACE)


@pytest.mark.parametrize("field", vars(Strength()))
def test_every_transform_changes_faces_when_it_is_on(field: str):
    value = {"rotate": 20.0, "hflip": 1.0, "vflip": 1.0, "erase": 1.0}.get(field, 0.3)
    augment = Augment(Strength(**{field: value}))
    assert any(not np.array_equal(augment(FACE, seed=seed), FACE) for seed in range(20))


def test_flips_mirror_the_right_way():
    assert np.array_equal(Augment(Strength(hflip=1))(FACE, seed=0), FACE[:, ::-1])
    assert np.array_equal(Augment(Strength(vflip=1))(FACE, seed=0), FACE[::-1])


def test_transforms_draw_independently_of_one_another():
    augment = Augment(Strength(hflip=0.5, erase=0.5))
    changed = [augment(FACE, seed=seed) for seed in range(100)]
    mirrored = np.array([(face == FACE[:, ::-1]).mean() > 0.5 for face in changed])
    whole = np.array([any(np.array_equal(face, same) for same in (FACE, FACE[:, ::-1])) for face in changed])
    counts = [int((mirrored & whole).sum()), int((mirrored & ~whole).sum()), int((~mirrored & whole).sum())]
    assert all(12 < n < 40 for n in [*counts, 100 - sum(counts)])


def test_rotation_stays_within_its_limit():
    """A bright bar on black, rotated by at most 10 degrees, keeps its direction within 10 degrees."""
    bar = np.zeros((48, 48), np.uint8)
    bar[23:25, 4:44] = 255
    augment = Augment(Strength(rotate=10))
    angles = []
    for seed in range(50):
        y, x = np.nonzero(augment(bar, seed=seed)[:, 14:34] > 128)
        angles.append(np.degrees(np.arctan(np.polyfit(x, y, 1)[0])))
    assert 5 < np.abs(angles).max() < 11.5


def test_named_strength_with_one_value_changed():
    changed = strength("light", rotate=30.0, hflip=None)
    assert changed.rotate == 30 and changed.hflip == STRENGTHS["light"].hflip


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: strength("wild"), ["wild", "medium"]),
        (lambda: strength("light", spin=3.0), ["spin", "rotate"]),
        (lambda: strength("light", rotate=-3.0), ["rotate", "-3.0", "180"]),
        (lambda: strength("light", hflip=1.5), ["hflip", "1.5"]),
        (lambda: Strength(scale=1.0), ["scale"]),
    ],
)
def test_wrong_arguments_are_errors_with_the_cure(call: Callable[[], object], words: list[str]):
    with pytest.raises(UserError) as caught:
        call()
    assert all(word in str(caught.value) for word in words)
