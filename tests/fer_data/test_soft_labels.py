"""Folds that leak nothing, and soft labels that belong to their data."""

from pathlib import Path

import numpy as np
import pytest

from fer_data.datamodule import FER2013DataModule
from fer_data.emotions import EMOTIONS
from fer_data.errors import DataError
from fer_data.fer2013 import image_numbers, load
from fer_data.soft_labels import deal_folds, read_soft_labels, write_soft_labels
from fer_data.table import FaceTable

DATA = "synthetic:210"


@pytest.fixture
def table() -> FaceTable:
    return load(DATA)


@pytest.fixture
def file(table: FaceTable, tmp_path: Path) -> Path:
    """Write soft labels of chance for the data."""
    path, n = tmp_path / "soft.npz", int((table.usage == 0).sum())
    write_soft_labels(path, table, chance(n), np.zeros(n, np.intp), "python soft_labels.py")
    return path


def chance(n: int) -> np.ndarray:
    return np.random.default_rng(0).dirichlet(np.ones(7), n).astype(np.float32)


def test_copies_share_a_fold_and_emotions_are_spread(table: FaceTable):
    twice = table.take(np.r_[np.arange(210), np.arange(0, 210, 3), np.arange(0, 210, 3)])
    folds = deal_folds(twice, 3, seed=0)
    numbers = image_numbers(twice)
    for fold in range(3):
        assert not set(numbers[folds == fold]) & set(numbers[folds != fold])
        assert np.bincount(twice.labels[folds == fold], minlength=7).min() >= 10
    assert (folds != deal_folds(twice, 3, seed=1)).any() and (folds == deal_folds(twice, 3, seed=0)).all()


def test_batches_hold_each_faces_own_soft_label(table: FaceTable, file: Path):
    module = FER2013DataModule(DATA, augment="none", batch_size=16, soft_labels=str(file))
    training = table.images[table.usage == 0]
    of_pixels = {image.tobytes(): soft for image, soft in zip(training, chance(len(training)), strict=True)}
    seen = 0
    for batch in module.train_dataloader():
        pixels = (batch["image"] * 0.2550 + 0.5077).mul(255).round().byte().squeeze(1).numpy()
        for image, soft in zip(pixels, batch["soft_label"].numpy(), strict=True):
            seen += 1
            assert np.allclose(soft, of_pixels[image.tobytes()], atol=1e-6)
    assert seen > 100 and "soft_label" not in next(iter(module.val_dataloader()))


def test_soft_labels_of_other_data_are_refused(file: Path):
    with pytest.raises(DataError, match="made for other data"):
        FER2013DataModule("synthetic:140", soft_labels=str(file)).prepare_data()


@pytest.mark.parametrize("cut", [0, 50, -100])
def test_damaged_soft_labels_are_refused(table: FaceTable, file: Path, cut: int):
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(DataError, match=r"can't be read.*soft_labels\.py"):
        read_soft_labels(file, table, EMOTIONS)


def test_numbers_that_are_no_probabilities_are_refused(table: FaceTable, file: Path):
    n = int((table.usage == 0).sum())
    for wrong in (chance(n) * 2, chance(n)[1:], chance(n)[:, 1:], np.full((n, 7), np.nan)):
        write_soft_labels(file, table, wrong, np.zeros(n, np.intp), "")
        with pytest.raises(DataError, match="no probabilities of 7 emotions"):
            read_soft_labels(file, table, EMOTIONS)
