"""The datamodule: batches that a seed decides, official splits, balance."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

import make_layouts as make

from fer_data.datamodule import EpochSampler, FER2013DataModule
from fer_data.errors import DataError
from fer_data.fer2013 import load
from fer_data.table import FaceTable

DATA = "synthetic:210"


def batches(epoch: int = 0, **kwargs: Any) -> list[dict[str, torch.Tensor]]:
    loader = FER2013DataModule(DATA, batch_size=32, **kwargs).train_dataloader()
    loader.sampler.set_epoch(epoch)
    return list(loader)


def same(one: list, two: list) -> bool:
    return all(
        torch.equal(a["image"], b["image"]) and torch.equal(a["label"], b["label"])
        for a, b in zip(one, two, strict=True)
    )


def test_batches_have_the_promised_form():
    batch = batches()[0]
    assert batch["image"].shape == (32, 1, 48, 48) and batch["image"].dtype == torch.float32
    assert batch["label"].shape == (32,) and batch["label"].dtype == torch.int64


def test_same_seed_same_batches_whatever_the_number_of_workers():
    assert same(batches(num_workers=0, epoch=1), batches(num_workers=2, epoch=1))


def test_epochs_and_seeds_differ():
    assert not same(batches(epoch=0), batches(epoch=1))
    assert not same(batches(seed=0), batches(seed=1))


def test_identical_faces_are_augmented_differently():
    module = FER2013DataModule(DATA, augment="strong")
    dataset = module.dataset("Training", augment=True)
    dataset.images = np.repeat(dataset.images[:1], 16, 0)
    changed = {dataset[(0, i)]["image"].numpy().tobytes() for i in range(16)}
    assert len(changed) == 16


def test_validation_and_test_are_whole_and_unchanged():
    module = FER2013DataModule(DATA, augment="strong")
    table = load(DATA)
    for loader, usage in [(module.val_dataloader(), 1), (module.test_dataloader(), 2)]:
        images = torch.cat([batch["image"] for batch in loader])
        expected = np.stack([module.preprocess(image) for image in table.images[table.usage == usage]])
        assert np.array_equal(images.numpy(), expected)


def test_devices_share_an_epoch_without_overlap():
    whole = list(EpochSampler(101, seed=3))
    shares = [list(EpochSampler(101, seed=3, rank=rank, world_size=2)) for rank in range(2)]
    assert len(shares[0]) == len(shares[1]) == 50
    assert {key for share in shares for key in share} == set(whole[:100])


def test_sampler_balance_draws_all_emotions_equally(monkeypatch: pytest.MonkeyPatch):
    module = unbalanced(monkeypatch, balance="sampler")
    labels = torch.cat([batch["label"] for batch in module.train_dataloader()])
    share = torch.bincount(labels, minlength=7) / len(labels)
    assert module.class_counts.min() < 0.2 * module.class_counts.max()
    assert share.min() > 0.09 and share.max() < 0.2


def test_loss_balance_gives_each_emotion_the_same_weight_in_sum(monkeypatch: pytest.MonkeyPatch):
    module = unbalanced(monkeypatch, balance="loss")
    weighted = np.array(module.loss_weights) * module.class_counts
    assert np.allclose(weighted, weighted[0]) and np.isclose(weighted.sum(), module.class_counts.sum())
    assert FER2013DataModule(DATA).loss_weights is None


def unbalanced(monkeypatch: pytest.MonkeyPatch, **kwargs: Any) -> FER2013DataModule:
    """Make a module whose Training has few disgusted faces."""
    table = load("synthetic:1400")
    keep = (table.labels != 1) | (np.arange(len(table.labels)) % 8 == 0)
    rare = FaceTable(table.images[keep], table.labels[keep], table.usage[keep])
    monkeypatch.setattr("fer_data.datamodule.load", lambda data: rare)
    return FER2013DataModule(DATA, **kwargs)


def test_a_missing_split_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch):
    table = load(DATA)
    keep = table.usage != 1
    lame = FaceTable(table.images[keep], table.labels[keep], table.usage[keep])
    monkeypatch.setattr("fer_data.datamodule.load", lambda data: lame)
    with pytest.raises(DataError, match="no PublicTest faces"):
        FER2013DataModule(DATA).train_dataloader()


def test_a_table_from_python_takes_the_place_of_data():
    table = load(DATA)
    keep = (table.labels < 3) & (table.usage < 2)
    few = FaceTable(table.images[keep], table.labels[keep], table.usage[keep])
    module = FER2013DataModule(batch_size=8, augment="none", table=few)
    assert module.class_counts.tolist()[3:] == [0] * 4
    assert all((batch["label"] < 3).all() for batch in [*module.train_dataloader(), *module.val_dataloader()])
    only_training = FaceTable(few.images, few.labels, np.zeros_like(few.usage))
    with pytest.raises(DataError, match="the table given has no PublicTest"):
        FER2013DataModule(table=only_training)


def test_votes_come_with_their_own_faces(tmp_path: Path):
    table = make.small_table()
    make.write_csv(table, tmp_path / "fer2013.csv")
    make.write_votes(table, tmp_path / "fer2013new.csv")
    module = FER2013DataModule(str(tmp_path), batch_size=16, augment="none", votes=True)
    row_of = {image.tobytes(): row for row, image in enumerate(table.images)}
    for batch in module.train_dataloader():
        pixels = (batch["image"] * 0.2550 + 0.5077).mul(255).round().byte().squeeze(1).numpy()
        for image, votes in zip(pixels, batch["votes"], strict=True):
            expected = np.bincount([0] * 9 + [row_of[image.tobytes()] % 10], minlength=10)[:8]
            assert np.allclose(votes, expected / expected.sum())
    assert "votes" not in next(iter(module.val_dataloader()))
    assert "votes" not in next(iter(FER2013DataModule(str(tmp_path)).train_dataloader()))
    with pytest.raises(DataError, match="table given has no FER"):
        FER2013DataModule(table=table, votes=True).prepare_data()
