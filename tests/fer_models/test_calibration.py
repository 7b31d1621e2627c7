"""Temperature and threshold: fitted where the truth is known, and what they do where a model is served."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch

import films
import photos
from fer_data.emotions import COLOURS, EMOTIONS, UNCERTAIN
from fer_data.images import decode
from fer_models import hub
from fer_models.cli import main
from fer_models.judging.calibration import (
    TARGET,
    fit,
    fit_temperature,
    fit_threshold,
    judge_calibration,
    risk_coverage,
    tempered,
)
from fer_models.predict import EmotionPredictor, load

pytestmark = pytest.mark.usefixtures("one_detector")


def known(temperature: float, n: int = 5000) -> tuple[torch.Tensor, torch.Tensor]:
    """Labels drawn from a softmax whose logits were then multiplied by a temperature."""
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(n, 7, generator=generator)
    labels = torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]
    return (logits * temperature).softmax(1), labels


@pytest.mark.parametrize("temperature", [0.5, 1, 1.6, 4])
def test_a_known_temperature_is_found(temperature: float):
    probabilities, labels = known(temperature)
    assert fit_temperature(probabilities, labels) == pytest.approx(temperature, rel=0.05)
    told = judge_calibration(probabilities, labels, fit(probabilities, labels))
    assert told["ece"] < 0.02 and told["nll"] <= told["nll_before"]
    assert temperature == 1 or told["ece_before"] > 2 * told["ece"]


def test_a_temperature_of_probabilities_is_one_of_logits():
    logits = 20 * torch.randn(50, 7, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(tempered(logits.softmax(1), 2.5), (logits / 2.5).softmax(1), atol=1e-6)
    assert torch.equal(tempered(logits.softmax(1), 2.5).argmax(1), logits.argmax(1))


def test_the_threshold_answers_as_many_as_can_be_with_nine_of_ten_right():
    probabilities, labels = known(1)
    threshold = fit_threshold(probabilities, labels)
    confidence, answer = probabilities.max(1)
    right = answer == labels
    assert threshold is not None and right[confidence >= threshold].double().mean() >= TARGET
    lower = confidence[confidence < threshold].unique().flip(0)
    assert len(lower) > 1000 and all(right[confidence >= value].double().mean() < TARGET for value in lower)
    told = judge_calibration(probabilities, labels, {"temperature": 1.0, "uncertain_below": threshold})["answered"]
    assert told["coverage"] == pytest.approx(float((confidence >= threshold).double().mean()))
    assert told["accuracy_ci"][0] < told["accuracy"] < told["accuracy_ci"][1]


def test_without_a_threshold_that_is_enough_there_is_none():
    labels = torch.arange(700) % 7
    guesses = torch.randn(700, 7, generator=torch.Generator().manual_seed(2)).softmax(1)
    guesses[0] = torch.eye(7)[1]  # the surest is wrong
    fitted = fit(guesses, labels)
    assert fitted["uncertain_below"] is None
    assert judge_calibration(guesses, labels, fitted)["answered"] is None
    # Faces that are equally sure are answered together or not at all.
    alike = torch.full((100, 7), 0.05)
    alike[:, 3] = 0.7
    assert fit_threshold(alike, torch.tensor([3] * 89 + [0] * 11)) is None
    assert fit_threshold(alike, torch.tensor([3] * 90 + [0] * 10)) is not None


def test_risk_falls_on_the_surest_first():
    probabilities = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])
    coverage, risk = risk_coverage(probabilities, torch.tensor([0, 1, 0]))
    assert coverage.tolist() == pytest.approx([1 / 3, 2 / 3, 1]) and risk.tolist() == pytest.approx([0, 1 / 2, 2 / 3])


def calibrated(folder: Path, **calibration: object) -> Path:
    config = json.loads((folder / hub.CONFIG).read_text())
    (folder / hub.CONFIG).write_text(json.dumps({**config, "calibration": calibration}))
    return folder


def test_serving_divides_logits_by_the_temperature(folder: Path):
    faces = list(photos.small_faces()[:8])
    before = EmotionPredictor(hub.load(str(folder))).classify(faces)
    calibrated(folder, temperature=0.25, uncertain_below=None)
    after = EmotionPredictor(hub.load(str(folder))).classify(faces)
    assert (
        np.allclose(after, tempered(torch.from_numpy(before), 0.25), atol=1e-5) and np.abs(after - before).max() > 0.05
    )


def test_uncertain_is_off_unless_asked_for_and_changes_no_probability(folder: Path):
    calibrated(folder, temperature=1.0, uncertain_below=0.99)
    plain, asked = (load(str(folder), uncertain=uncertain)(photos.crowd()) for uncertain in (False, True))
    assert all(face.emotion in EMOTIONS for face in plain) and {face.emotion for face in asked} == {UNCERTAIN}
    assert [face.probabilities for face in plain] == [face.probabilities for face in asked]
    calibrated(folder, temperature=1.0, uncertain_below=0.01)
    assert [face.emotion for face in load(str(folder), uncertain=True)(photos.crowd())] == [f.emotion for f in plain]


def test_uncertain_is_told_in_text_json_table_picture_and_film(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    calibrated(folder, temperature=1.0, uncertain_below=0.99)
    (tmp_path / "me.png").write_bytes(photos.encode(photos.astronaut()))
    films.write(tmp_path / "walk.mp4", films.walk(3))
    common = ["predict", str(tmp_path / "me.png"), str(tmp_path / "walk.mp4"), "--model", str(folder)]

    def run(*more: str) -> str:
        with pytest.raises(SystemExit) as caught:
            main([*common, *more])
        assert caught.value.code == 0
        return capsys.readouterr().out

    assert "uncertain at (" not in run("--save", str(tmp_path / "plain"))
    assert "uncertain at (" in run("--uncertain", "--save", str(tmp_path / "asked"), "--csv", str(tmp_path / "t.csv"))
    with (tmp_path / "t.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4 and {row["emotion"] for row in rows} == {UNCERTAIN}
    assert all(sum(float(row[emotion]) for emotion in EMOTIONS) == pytest.approx(1, abs=1e-3) for row in rows)
    told = [json.loads(line) for line in run("--uncertain", "--json").splitlines()]
    assert [face["emotion"] for row in told for face in row["faces"]] == [UNCERTAIN] * 4
    colour = list(bytes.fromhex(COLOURS[UNCERTAIN][1:]))
    pictures = [decode(tmp_path / name / "me-faces.png") for name in ("plain", "asked")]
    assert [bool((picture == colour).all(2).sum() > 500) for picture in pictures] == [False, True]


@pytest.mark.parametrize("calibration", [{}, {"temperature": 1.0, "uncertain_below": None}])
def test_uncertain_without_a_threshold_is_a_sentence(folder: Path, calibration: dict[str, object]):
    calibrated(folder, **calibration)
    with pytest.raises(hub.CheckpointError, match="small can't answer 'uncertain'"):
        load(str(folder), uncertain=True)
    assert load(str(folder)).uncertain_below == 0


@pytest.mark.parametrize("wrong", [{"temperature": 0}, {"temperature": "warm"}, {"uncertain_below": 2}])
def test_a_calibration_that_makes_no_sense_is_refused(folder: Path, wrong: dict[str, object]):
    calibrated(folder, **wrong)
    with pytest.raises(hub.CheckpointError, match="damaged, or made by"):
        hub.load(str(folder))
