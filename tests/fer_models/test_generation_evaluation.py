"""Generators judged whole: good ones, and each kind of bad one that a figure must catch."""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from fer_data.errors import DataError, UserError
from fer_data.synthetic import draw_face, synthetic_table
from fer_data.table import FaceTable
from fer_models import hub
from fer_models.judging import encoder
from fer_models.judging.cas import Sample, classification_accuracy_score
from fer_models.judging.encoder import Encoder
from fer_models.judging.generation_evaluation import Judgement, compare, evaluate_generator
from fer_models.judging.generation_report import judge_generator
from fer_models.networks.cnn import CNN

Labels, Faces = NDArray[np.int64], NDArray[np.uint8]


def drawn(labels: Labels, seed: int) -> Faces:
    """Draw new faces: as good as a generator of this table's faces can be."""
    return np.stack([draw_face(int(label), np.random.default_rng((seed, i))) for i, label in enumerate(labels)])


def deaf(labels: Labels, seed: int) -> Faces:
    """Draw faces that show anything but what was asked for."""
    return drawn(np.random.default_rng(seed).integers(7, size=len(labels)), seed)


def collapsed(labels: Labels, seed: int) -> Faces:
    """Draw one and the same face whenever happy is asked for."""
    faces = drawn(labels, seed)
    faces[labels == 3] = faces[labels == 3][0]
    return faces


@pytest.fixture(scope="module")
def table() -> FaceTable:
    return synthetic_table(840)


@pytest.fixture(scope="module")
def cnn() -> hub.Checkpoint:
    return hub.load("cnn")


@pytest.fixture(scope="module")
def good(table: FaceTable, cnn: hub.Checkpoint) -> Judgement:
    return judged(drawn, table, cnn)


def judged(sample: Sample, table: FaceTable, cnn: hub.Checkpoint, conditional: bool = True) -> Judgement:
    """Judge by the features of a small network with random weights, and by the answers of the published classifier."""
    torch.manual_seed(0)
    network = CNN(widths=[8, 16, 32, 32]).eval()
    encoder = Encoder(hub.Checkpoint("random", network, hub.input_of(network), {}))
    return evaluate_generator(sample, table, "test", encoder, cnn, conditional)


def copier(table: FaceTable) -> Sample:
    """Give Training faces of the emotion asked for, instead of new ones."""

    def sample(labels: Labels, seed: int) -> Faces:
        rng = np.random.default_rng(seed)
        training = table.usage == 0
        return table.images[[rng.choice(np.flatnonzero(training & (table.labels == label))) for label in labels]]

    return sample


def test_a_perfect_generator_is_as_near_as_real_faces(good: Judgement):
    sets, n = good.metrics["sets"], len(good.faces)
    floors = [row["fd_fer"] for name, row in sets.items() if name != "generated" and row["n"] == n]
    assert len(floors) == 2 and sets["generated"]["fd_fer"] < 1.3 * max(floors)
    assert abs(sets["generated"]["kd_fer"]) < 3 * sets["generated"]["kd_fer_sd"]
    assert min(sets["generated"][key] for key in ("precision", "recall", "density", "coverage")) > 0.8
    assert all(part["share"] < 0.1 for part in good.metrics["copying"].values())
    assert good.metrics["obedience"]["accuracy"] > 0.5


def test_a_generator_that_ignores_its_label_obeys_by_chance(table: FaceTable, cnn: hub.Checkpoint, good: Judgement):
    found = judged(deaf, table, cnn)
    assert found.metrics["obedience"]["accuracy"] == pytest.approx(1 / 7, abs=0.09)
    encode, labels = Encoder(cnn), good.labels
    real = encode(table.images[table.usage == 2])
    obeyed, ignored = (
        compare(real, encode(faces), labels, labels)["per_emotion"]["happy"]["fd_fer"]
        for faces in (good.faces, found.faces)
    )
    assert ignored > 2 * obeyed


def test_a_generator_that_copies_is_caught(table: FaceTable, cnn: hub.Checkpoint):
    found = judged(copier(table), table, cnn)
    for name, part in found.metrics["copying"].items():
        assert part["share"] == 1 and part["share_real"] < 0.1 and part["median_ratio"] == pytest.approx(0, abs=1e-3)
        assert np.array_equal(table.images[found.neighbours[name].index], found.faces)
        assert (table.usage[found.neighbours[name].index] == 0).all()


def test_a_collapsed_emotion_has_no_diversity(table: FaceTable, cnn: hub.Checkpoint):
    parts = judged(collapsed, table, cnn).metrics["sets"]["generated"]["per_emotion"]
    assert parts["happy"]["diversity"] == pytest.approx(0, abs=0.01)
    assert all(part["diversity"] > 0.7 for emotion, part in parts.items() if emotion != "happy")


def test_exact_copies_among_the_real_faces_hide_no_copier(table: FaceTable, cnn: hub.Checkpoint):
    """FER2013 holds a twelfth of PrivateTest in Training as well."""
    images = table.images.copy()
    images[np.flatnonzero(table.usage == 2)[:20]] = images[:20]
    twice = replace(table, images=images)
    parts = judged(copier(twice), twice, cnn).metrics["copying"]
    assert all(part["share"] == 1 and 0.15 < part["share_real"] < 0.3 for part in parts.values())


def test_without_labels_what_needs_them_is_none(table: FaceTable, cnn: hub.Checkpoint):
    found = judged(deaf, table, cnn, conditional=False).metrics
    assert found["obedience"] is None and found["sets"]["generated"]["per_emotion"] is None
    assert found["sets"]["generated"]["fd_fer"] > 0 and found["obedience_real"]["accuracy"] > 0.5


@pytest.mark.parametrize(
    "wrong",
    [lambda faces: faces[:-1], lambda faces: faces / 255, lambda faces: faces[:, :32], lambda faces: faces[None]],
    ids=["too few", "other type", "other size", "other shape"],
)
def test_other_faces_than_asked_for_are_refused(
    table: FaceTable, cnn: hub.Checkpoint, wrong: Callable[[Faces], NDArray[Any]]
):
    with pytest.raises(UserError, match="the generator gave"):
        judged(lambda labels, seed: wrong(drawn(labels, seed)), table, cnn)


def test_a_table_that_lacks_faces_is_a_sentence(table: FaceTable, cnn: hub.Checkpoint):
    with pytest.raises(DataError, match="the split has 0 faces"):
        judged(drawn, replace(table, usage=np.zeros_like(table.usage)), cnn)
    with pytest.raises(DataError, match="Training has no faces of sad"):
        judged(drawn, replace(table, usage=np.where(table.labels == 4, 2, table.usage).astype(np.uint8)), cnn)


@pytest.mark.parametrize("conditional", [True, False])
def test_the_report_holds_everything(
    folder: Path, tmp_path: Path, table: FaceTable, conditional: bool, monkeypatch: pytest.MonkeyPatch
):
    (folder.parent / encoder.FD_ENCODER).symlink_to(folder)
    monkeypatch.setenv("FER_CHECKPOINTS", str(folder.parent))
    digest = hashlib.sha256((folder / hub.WEIGHTS).read_bytes()).hexdigest()
    monkeypatch.setattr(encoder, "FD_ENCODER_SHA256", digest)
    metrics, page = judge_generator(
        "artist", drawn, table, "val", tmp_path / "out", conditional=conditional, classifier="small",
        interpolate=lambda label, seed, steps: drawn(np.full(steps, label), seed),
    )  # fmt: skip
    assert json.loads((page.parent / "metrics.json").read_text()) == metrics
    assert metrics["encoder_sha256"] == digest and metrics["usage"] == "PublicTest" and metrics["cas"] is None
    text = page.read_text()
    pictures = {"samples", "nearest_features", "nearest_pixels", "interpolation"}
    pictures |= {"same_latent", "obedience", "emotions"} if conditional else set()
    assert {path.stem for path in page.parent.glob("*.png")} == pictures
    assert text.count("data:image/png") == len(pictures) and not re.search(r'(src|href)="(?!data:)', text)
    rows = (page.parent / "neighbours.csv").read_text().splitlines()
    assert len(rows) == 1 + metrics["n"] and rows[0].startswith("face,asked,nearest_by_features")


def noise(labels: Labels, seed: int) -> Faces:
    return np.random.default_rng(seed).integers(0, 256, (len(labels), 48, 48), np.uint8)


def test_training_on_the_training_faces_themselves_scores_one(table: FaceTable):
    """Both classifiers learn the same then, so the ratio is 1 to the last bit."""
    chosen = np.sort(np.random.default_rng(0).permutation(np.flatnonzero(table.usage == 0))[:280])

    def same(labels: Labels, seed: int) -> Faces:
        return table.images[chosen] if len(labels) == 280 else drawn(labels, seed)

    found = classification_accuracy_score(same, table, "test", faces=280, epochs=2)
    assert found["ratio"] == 1 and found["generated_to_real"] == found["real_to_real"]
    assert found["n"] == 280 and found["real_to_real"]["n"] == found["real_to_generated"]["n"] == 105
    assert classification_accuracy_score(noise, table, "test", faces=280, epochs=2)["ratio"] != 1


@pytest.mark.slow
def test_new_drawn_faces_teach_as_well_as_the_tables_own_and_noise_teaches_nothing():
    table = synthetic_table(7000)
    found = classification_accuracy_score(drawn, table, "test")
    assert found["real_to_real"]["accuracy"] > 0.9 and found["ratio"] == pytest.approx(1, abs=0.05)
    assert found["real_to_generated"]["accuracy"] > 0.9
    nothing = classification_accuracy_score(noise, table, "test", faces=1400, epochs=2)
    assert nothing["generated_to_real"]["accuracy"] < 0.3 and nothing["real_to_generated"]["accuracy"] < 0.3
