"""Augmentation of whole batches: exact where it must be, and as strong as Albumentations."""

from typing import Any

import numpy as np
import pytest
import torch

from fer_data.augment import STRENGTHS, Augment, Strength
from fer_data.batch_augment import BatchAugment, as_input
from fer_data.datamodule import FER2013DataModule
from fer_data.errors import UserError
from fer_data.preprocess import Preprocess
from fer_data.synthetic import synthetic_table

FACES = torch.from_numpy(synthetic_table(35, seed=1).images)
DATA = "synthetic:210"
PLACES = [{"augment_on": "device"}, {"augment_on": "device", "data_on": "device"}]


def batches(epoch: int = 0, **options: Any) -> list[dict[str, torch.Tensor]]:
    """Give the batches of an epoch, as they reach the network."""
    module = FER2013DataModule(DATA, batch_size=32, **options)
    loader = module.train_dataloader()
    loader.sampler.set_epoch(epoch)
    return [module.on_after_batch_transfer(batch, 0) for batch in loader]


def same(one: list[dict[str, torch.Tensor]], two: list[dict[str, torch.Tensor]]) -> bool:
    return all(torch.equal(a["image"], b["image"]) for a, b in zip(one, two, strict=True))


def test_none_changes_nothing():
    assert torch.equal(BatchAugment(STRENGTHS["none"])(FACES, seed=0), FACES.float() / 255)


def test_flips_mirror_exactly_and_half_of_the_faces():
    both = torch.stack([FACES, FACES.flip(2)]).float() / 255
    flipped = BatchAugment(STRENGTHS["flip"])(FACES, seed=0)
    as_was, mirrored = (flipped == both).flatten(2).all(2)
    assert (as_was | mirrored).all() and 0.3 < mirrored.float().mean() < 0.7
    assert torch.equal(BatchAugment(Strength(vflip=1))(FACES, seed=0), FACES.flip(1).float() / 255)


def test_the_seed_alone_decides_and_faces_differ():
    augment = BatchAugment(STRENGTHS["strong"])
    alike = FACES[:1].expand(16, -1, -1)
    one = augment(alike, seed=5)
    assert torch.equal(one, augment(alike, seed=5)) and not torch.equal(one, augment(alike, seed=6))
    assert len({face.numpy().tobytes() for face in one}) == 16
    assert one.dtype == torch.float32 and one.min() >= 0 and one.max() <= 1


ALONE = {"rotate": 25.0, "scale": 0.3, "shift": 0.2, "noise": 0.3, "brightness": 0.15, "contrast": 0.3, "gamma": 0.5}


@pytest.mark.parametrize(
    "strength",
    [*(Strength(**{field: value}) for field, value in ALONE.items()), Strength(erase=1), STRENGTHS["medium"]],
    ids=[*ALONE, "erase", "medium"],
)
def test_as_strong_as_albumentations(strength: Strength):
    """One face, changed 2,000 times by each: the pixels' means and deviations, in gray levels.

    The limit leaves room for chance; 70% of any strength would put the deviations 3.6 or more apart.
    """
    face = FACES[0]
    ours = BatchAugment(strength)(face.expand(2000, -1, -1), seed=0) * 255
    augment = Augment(strength)
    theirs = torch.from_numpy(np.stack([augment(face.numpy(), seed=seed) for seed in range(2000)])).float()
    assert (ours.mean(0) - theirs.mean(0)).abs().mean() < 2
    assert (ours.std(0) - theirs.std(0)).abs().mean() < 2


@pytest.mark.parametrize("places", PLACES)
def test_without_augmentation_the_network_sees_what_workers_give(places: dict[str, Any]):
    for ours, theirs in zip(batches(augment="none", **places), batches(augment="none"), strict=True):
        assert ours.keys() == theirs.keys() and torch.equal(ours["label"], theirs["label"])
        assert ours["image"].shape == (32, 1, 48, 48) and torch.allclose(ours["image"], theirs["image"], atol=1e-5)


def test_three_channels_as_preprocess():
    three = Preprocess(channels=3, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))
    expected = np.stack([three(face) for face in FACES.numpy()])
    assert np.allclose(as_input(FACES.float() / 255, three).numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("places", PLACES)
def test_epochs_and_seeds_differ_and_repeat(places: dict[str, Any]):
    first = batches(epoch=1, **places)
    assert same(first, batches(epoch=1, **places)) and same(first, batches(epoch=1, num_workers=2, **places))
    assert not same(first, batches(epoch=2, **places)) and not same(first, batches(epoch=1, seed=1, **places))


def test_where_the_data_are_changes_nothing():
    assert same(batches(**PLACES[0]), batches(**PLACES[1]))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"data_on": "device"}, "--data_on device needs --augment_on device"),
        ({"augment_on": "device", "preprocess": Preprocess(size=96)}, "input_size is 48, not 96"),
    ],
)
def test_what_does_not_go_together_is_a_sentence(options: dict[str, Any], words: str):
    with pytest.raises(UserError, match=words):
        FER2013DataModule(DATA, **options)
