"""Judging: looks at a face, ensembles, and what is no classifier."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from fer_data.emotions import EMOTIONS
from fer_data.errors import UserError
from fer_data.synthetic import synthetic_table
from fer_models import hub
from fer_models.judging.evaluation import TTA, evaluate, predict_faces
from fer_models.networks import NETWORKS
from fer_models.networks.base import Classifier, Network
from fer_models.predict import EmotionPredictor

TABLE = synthetic_table(140, seed=3)
FACES = TABLE.images[:12]


@pytest.fixture
def small(folder: Path) -> hub.Checkpoint:
    return hub.load(str(folder))


def fresh(model: str, seed: int = 0, **config: object) -> hub.Checkpoint:
    torch.manual_seed(seed)
    network = NETWORKS[model](**config)
    size = network.input_size
    network(torch.randn(8, 1, size, size))  # moves the running statistics off their start
    return hub.Checkpoint(
        f"{model}{size}", network.eval(), hub.input_of(network), {"model": model, "network_config": config}
    )


@pytest.mark.parametrize("tta", TTA)
def test_a_face_and_its_mirror_image_get_the_same_answer_with_augmentation_only(small: hub.Checkpoint, tta: str):
    answers, mirrored = (predict_faces(small, images, tta) for images in (FACES, FACES[..., ::-1].copy()))
    assert torch.allclose(answers.sum(1), torch.ones(len(FACES)))
    assert torch.allclose(answers, mirrored, atol=1e-6) == (tta != "none")


def test_ten_crop_averages_the_logits_of_corners_and_centre_and_their_mirror_images(small: hub.Checkpoint):
    inputs = np.stack([small.preprocess(face) for face in FACES])
    parts = []
    for y, x in [(0, 0), (0, 4), (4, 0), (4, 4), (2, 2)]:
        crop = np.pad(inputs[:, :, y : y + 44, x : x + 44], ((0, 0), (0, 0), (2, 2), (2, 2)), mode="edge")
        parts += [crop, crop[..., ::-1].copy()]
    with torch.inference_mode():
        logits = sum(small.network(torch.from_numpy(part)) for part in parts) / 10
    assert torch.allclose(predict_faces(small, FACES, "ten-crop"), logits.softmax(1), atol=1e-6)


def test_looks_change_nothing_where_all_crops_are_alike(small: hub.Checkpoint):
    plain = np.repeat(np.array([0, 90, 255], np.uint8), 48 * 48).reshape(3, 48, 48)
    expected = predict_faces(small, plain)
    assert all(torch.allclose(predict_faces(small, plain, tta), expected, atol=1e-5) for tta in TTA)


@pytest.mark.parametrize("model", [name for name, network in NETWORKS.items() if issubclass(network, Classifier)])
def test_every_classifier_sees_its_own_size_in_every_crop(model: str):
    checkpoint, shapes = fresh(model), []
    checkpoint.network.register_forward_pre_hook(
        lambda _, __, inputs: shapes.append(tuple(inputs["image"].shape)), with_kwargs=True
    )
    side = checkpoint.preprocess.size
    assert predict_faces(checkpoint, FACES[:1], "ten-crop").shape == (1, 7)
    assert shapes == [(1, 1, side, side)] * 10


def test_an_ensemble_gives_the_mean_of_its_members_probabilities(small: hub.Checkpoint):
    """The members' inputs differ in size; serving's own code gives what is expected."""
    other = fresh("resnet", width=16, input_size=32)
    metrics, probabilities, chosen = evaluate([small, other], TABLE, "val")
    faces = list(TABLE.images[chosen])
    apart = [EmotionPredictor(member).classify(faces) for member in (small, other)]
    assert np.abs(apart[0] - apart[1]).max() > 0.01
    assert np.allclose(probabilities, np.mean(apart, axis=0), atol=1e-6)
    labels = TABLE.labels[chosen]
    assert metrics["accuracy"] == pytest.approx(float((np.mean(apart, axis=0).argmax(1) == labels).mean()))
    assert metrics["alone"] is None  # they differ in more than their seed


def test_an_ensemble_of_a_network_with_itself_is_that_network(small: hub.Checkpoint):
    (alone, one, _), (together, two, _) = evaluate([small], TABLE), evaluate([small, small], TABLE)
    assert torch.equal(one, two) and alone["alone"] is None
    runs = together["alone"]["accuracy"]
    assert (runs["mean"], runs["sd"]) == (together["accuracy"], 0)
    assert {**alone, "alone": None} == {**together, "alone": None}


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ({"lr": 0.1, "seed": 0, "seconds": 9}, {"lr": 0.1, "seed": 1, "mixup": 0.0}, True),
        ({"lr": 0.1}, {"lr": 0.2}, False),
        ({"lr": 0.1}, {"lr": 0.1, "teacher": ["cnn"]}, False),
        ({"teacher": ["cnn"]}, {"teacher": ["resnet"]}, False),
        ({"class_weights": None}, {"lr": 0.1, "teacher": None}, True),  # as all runs before there were teachers
        ({}, {"sam_rho": 0.05}, False),
    ],
)
def test_mean_and_spread_are_told_of_one_recipe_alone(
    small: hub.Checkpoint, one: dict[str, Any], other: dict[str, Any], alike: bool
):
    members = [replace(small, config={**small.config, "training": training}) for training in (one, other)]
    assert (evaluate(members, TABLE, "val")[0]["alone"] is not None) == alike


def test_what_is_no_classifier_is_refused_with_a_sentence(monkeypatch: pytest.MonkeyPatch):
    class Painter(Network):
        task = "painting"

    painter = hub.Checkpoint("gan", Painter(), hub.Preprocess(), {"model": "painter"})
    with pytest.raises(UserError, match="gan holds a painter, which is no classifier"):
        predict_faces(painter, FACES)


def test_a_network_that_answers_no_numbers_is_refused_with_a_sentence(small: hub.Checkpoint):
    assert isinstance(small.network, Classifier) and isinstance(small.network.head, nn.Linear)
    small.network.head.bias.data[len(EMOTIONS) - 1] = float("nan")
    with pytest.raises(UserError, match="no numbers"):
        evaluate([small], TABLE)
