"""``fer-data`` as a user types it."""

import json
from pathlib import Path

import pytest
from PIL import Image

import photos
from fer_data.cli import main
from fer_data.emotions import EMOTIONS


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


def test_stats_as_json_and_as_text_tell_the_same(capsys: pytest.CaptureFixture[str]):
    main(["stats", "--data", "synthetic:700", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["counts"]["Training"] == dict.fromkeys(EMOTIONS, 100) and found["n"] == 700 + 87 + 87
    main(["stats", "--data", "synthetic:700"])
    text = capsys.readouterr().out
    assert found["fingerprint"] in text and "note: " in text


def test_preview_draws_a_row_for_each_emotion(tmp_path: Path):
    main(["preview", "--data", "synthetic:70", "--augment", "strong", "--out", str(tmp_path / "sheet.png")])
    assert size_of(tmp_path / "sheet.png") == (10 * 100, 7 * 100)


def test_crop_tells_what_was_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "in" / "happy").mkdir(parents=True)
    (tmp_path / "in" / "happy" / "me.jpg").write_bytes(photos.encode(photos.astronaut(), "JPEG"))
    (tmp_path / "in" / "happy" / "bad.jpg").write_bytes(photos.hostile()["text.jpg"][0])
    main(["crop", str(tmp_path / "in"), str(tmp_path / "out")])
    said = capsys.readouterr().out
    assert "1 faces from 2 photos" in said and "1 unreadable" in said
    assert size_of(tmp_path / "out" / "happy" / "me_0.png") == (48, 48)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["stats", "--data", "nowhere"], "nowhere"),
        (["preview", "--data", "synthetic:70", "--augment", "wild"], "medium"),
        (["preview", "--data", "synthetic:70", "--out", "no/folder/x.png"], "no/folder"),
        (["crop", "nowhere", "out"], "nowhere"),
    ],
)
def test_errors_are_sentences(argv: list[str], words: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as caught:
        main(argv)
    said = capsys.readouterr().err
    assert caught.value.code == 1 and said.startswith("error: ") and words in said
