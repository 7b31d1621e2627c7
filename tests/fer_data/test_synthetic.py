"""Drawn faces: reproducible, balanced, and hard enough that a network has something to learn."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fer_data.emotions import EMOTIONS
from fer_data.errors import DataError
from fer_data.synthetic import draw_face, synthetic_table
from fer_data.table import USAGES, FaceTable


@pytest.fixture(scope="module")
def table() -> FaceTable:
    return synthetic_table(700, seed=1)


def test_table_has_the_shape_of_fer2013(table: FaceTable):
    assert table.images.shape == (700 + 87 + 87, 48, 48)
    assert table.images.dtype == table.labels.dtype == table.usage.dtype == np.uint8
    assert np.bincount(table.usage).tolist() == [700, 87, 87]
    assert table.rows is None
    assert "drawn" in table.notes[0]


@pytest.mark.parametrize("usage", range(len(USAGES)))
def test_every_split_is_balanced_and_shuffled(table: FaceTable, usage: int):
    labels = table.labels[table.usage == usage]
    counts = np.bincount(labels, minlength=len(EMOTIONS))
    assert counts.max() - counts.min() <= 1
    assert not np.array_equal(labels, np.resize(np.arange(len(EMOTIONS)), len(labels)))


def test_smallest_table_shows_every_emotion_in_every_split():
    table = synthetic_table(7)
    for usage in range(len(USAGES)):
        assert sorted(table.labels[table.usage == usage]) == list(range(len(EMOTIONS)))


def test_seed_decides_every_byte():
    first, again, other = (synthetic_table(21, seed) for seed in (5, 5, 6))
    assert first.images.tobytes() == again.images.tobytes()
    assert first.labels.tobytes() == again.labels.tobytes()
    assert first.images.tobytes() != other.images.tobytes()


def test_no_face_is_drawn_twice(table: FaceTable):
    assert len({image.tobytes() for image in table.images}) == len(table.images)


@pytest.mark.parametrize("emotion", range(len(EMOTIONS)))
@pytest.mark.parametrize("size", [1, 33, 48, 193])
def test_every_emotion_is_drawn_at_any_size(emotion: int, size: int):
    face = draw_face(emotion, np.random.default_rng(emotion), size)
    assert face.shape == (size, size)
    assert face.dtype == np.uint8
    assert size == 1 or face.std() > 10


def test_same_person_at_two_sizes():
    small, large = (draw_face(3, np.random.default_rng(2), size).astype(float) for size in (48, 192))
    shrunk = large.reshape(48, 4, 48, 4).mean(axis=(1, 3))
    assert np.corrcoef(small.ravel(), shrunk.ravel())[0, 1] > 0.97


def test_emotion_alone_changes_the_face():
    angry, happy = (draw_face(emotion, np.random.default_rng(2)).astype(int) for emotion in (0, 3))
    differs = np.abs(angry - happy) > 25
    assert differs[28:44, 10:38].sum() > 20  # the mouth
    assert differs[:, :4].sum() == 0  # the background


def test_errors_are_sentences():
    with pytest.raises(DataError, match="n is 6: give at least 7"):
        synthetic_table(6)
    for emotion in (-1, 7):
        with pytest.raises(DataError, match=f"emotion is {emotion}"):
            draw_face(emotion, np.random.default_rng(0))


def _nearest_mean(train: Tensor, labels: Tensor, test: Tensor) -> Tensor:
    means = torch.stack([train[labels == label].mean(0) for label in range(len(EMOTIONS))])
    return torch.cdist(test.flatten(1), means.flatten(1)).argmin(1)


def _small_cnn(train: Tensor, labels: Tensor, test: Tensor) -> Tensor:
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for inputs, outputs in ((1, 16), (16, 32), (32, 64)):
        block = nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2)
        layers.extend(block)
    net = nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * 36, len(EMOTIONS)))
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    for _ in range(6):
        for batch in torch.randperm(len(train)).split(32):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(train[batch]), labels[batch]).backward()
            optimizer.step()
    with torch.no_grad():
        return net.eval()(test).argmax(1)


def test_expressions_can_be_learned_but_not_by_their_mean(table: FaceTable):
    images = torch.tensor(table.images)[:, None] / 127.5 - 1
    labels, train = torch.tensor(table.labels).long(), torch.tensor(table.usage == 0)
    accuracy = {
        name: (predict(images[train], labels[train], images[~train]) == labels[~train]).float().mean().item()
        for name, predict in (("mean", _nearest_mean), ("cnn", _small_cnn))
    }
    assert accuracy["cnn"] > 0.7, accuracy
    assert accuracy["mean"] < 0.6, accuracy
