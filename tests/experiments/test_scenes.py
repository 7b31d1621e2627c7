"""From scene to emotion, by the command that a user types, on drawn faces."""

from pathlib import Path

import pandas as pd
import pytest

import photos
import scenes
from fer_data.emotions import EMOTIONS
from fer_data.fer2013 import load


def test_scenes_are_measured_and_come_again_with_the_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(scenes, "FaceDetector", photos.detector)
    argv = ["--data", "synthetic:140", "--n", "4", "--seed", "3", "--out", str(tmp_path)]
    scenes.main(argv)
    said = capsys.readouterr().out
    rows = pd.read_csv(tmp_path / "scenes.csv")
    assert list(rows["surround"]) == ["bare", "continued"] * 4 and set(rows["emotion"]) <= set(EMOTIONS)
    assert (rows.groupby("face")[["side", "tilt", "light", "gray", "direct", "alone"]].nunique() == 1).all(axis=None)
    assert set(rows["face"]) == set(scenes.choose(load("synthetic:140"), "PrivateTest", 4, 3).tolist())
    assert said.count("| all | 4 |") == 2 and "| at the known place, as it leans |" in said
    assert (tmp_path / "scenes.png").read_bytes().startswith(b"\x89PNG")
    scenes.main(argv)
    assert capsys.readouterr().out == said


def test_points_lost_are_those_between_answers_to_the_same_faces():
    part = pd.DataFrame({"found": [1, 1, 1, 1, 0], "direct": [1, 1, 1, 0, 1], "answer": [1, 0, 0, 1, 0]})
    assert scenes._line("all", part).startswith("| all | 5 | 80.0% (") and "| 25.0 (" in scenes._line("all", part)
