"""Every layout gives the same faces; every bad source is answered with a sentence."""

import io
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))

import make_layouts as make

from fer_data import layouts
from fer_data.errors import DataError
from fer_data.table import FaceTable

TABLE = make.small_table()
REAL = os.environ.get("FER2013_DIR")
SORTED_NAMES = ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]


def same(found: FaceTable, wanted: FaceTable) -> None:
    np.testing.assert_array_equal(found.images, wanted.images)
    np.testing.assert_array_equal(found.labels, wanted.labels)
    np.testing.assert_array_equal(found.usage, wanted.usage)
    assert (found.rows is None) == (wanted.rows is None)
    if wanted.rows is not None:
        np.testing.assert_array_equal(found.rows, wanted.rows)
    for name, array in (("images", np.uint8), ("labels", np.uint8), ("usage", np.uint8)):
        assert getattr(found, name).dtype == array


def by_content(table: FaceTable) -> FaceTable:
    """Sort the faces, for layouts that don't tell the order."""
    order = np.argsort(np.array(layouts.content_hashes(table.images)))
    return replace(make.select(table, order), rows=None)


def sentence(source: Path) -> str:
    with pytest.raises(DataError) as caught:
        layouts.read(source)
    return str(caught.value)


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "csv.xz", "csv.zip", "tar.gz"])
def test_csv_in_any_packing(tmp_path: Path, suffix: str):
    path = make.write_csv(TABLE, tmp_path / "fer2013" / f"fer2013.{suffix}")
    same(layouts.read(path), TABLE)
    same(layouts.read(tmp_path / "fer2013"), TABLE)
    same(layouts.read(tmp_path), TABLE)


def test_csv_of_the_challenge(tmp_path: Path):
    make.write_csv(TABLE, tmp_path / "icml_face_data.csv", "emotion, Usage, pixels")
    same(layouts.read(tmp_path), TABLE)


def test_csv_over_several_chunks_and_with_odd_spaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(layouts, "CHUNK_ROWS", 50)
    lines = make.csv_lines(TABLE)
    lines[60] = lines[60].replace(" ", "  ", 3)
    (tmp_path / "fer2013.csv").write_text("\n".join(lines))
    same(layouts.read(tmp_path), TABLE)


def test_folders_named_by_usage(tmp_path: Path):
    table = layouts.read(make.write_folders(TABLE, tmp_path, make.by_usage(TABLE)))
    same(by_content(table), by_content(TABLE))
    assert table.rows is None
    assert len(table.notes) == 1  # the size


@pytest.mark.parametrize("validation", ["val", "valid", "validation"])
def test_folders_with_a_validation_folder(tmp_path: Path, validation: str):
    make.write_folders(TABLE, tmp_path, make.plain, ("train", validation, "test"))
    table = layouts.read(tmp_path)
    same(by_content(table), by_content(TABLE))
    assert not any("official ones" in note for note in table.notes)


def test_folders_without_any_sign_are_split_by_content(tmp_path: Path):
    make.write_folders(TABLE, tmp_path / "a", make.plain)
    make.write_folders(TABLE, tmp_path / "b", lambda index: f"{9999 - index}.png")
    first, second = layouts.read(tmp_path / "a"), layouts.read(tmp_path / "b")
    same(by_content(first), by_content(second))
    assert any("aren't the official ones" in note for note in first.notes)
    for label in range(7):
        halves = np.bincount(first.usage[first.labels == label], minlength=3)[1:]
        assert 0 <= halves[0] - halves[1] <= 1


def test_folder_names_in_any_case_and_alias_and_missing_emotion(tmp_path: Path):
    make.write_folders(TABLE, tmp_path, make.by_usage(TABLE))
    (tmp_path / "train" / "happy").rename(tmp_path / "train" / "Happiness")
    (tmp_path / "train" / ".ipynb_checkpoints").mkdir()
    for path in (tmp_path / "test" / "disgust").iterdir():
        path.unlink()
    (tmp_path / "test" / "disgust").rmdir()
    table = layouts.read(tmp_path)
    assert (table.labels[table.usage == 0] == 3).sum() == (TABLE.labels[TABLE.usage == 0] == 3).sum()
    assert "PublicTest has no face labelled disgust." in table.notes


def test_gray_pictures_stored_in_colour_are_converted(tmp_path: Path):
    make.write_folders(TABLE, tmp_path, make.by_usage(TABLE))
    for path in sorted(tmp_path.rglob("*.png")):
        Image.open(path).convert("RGB").save(path)
    same(by_content(layouts.read(tmp_path)), by_content(TABLE))


def test_numbered_folders_recover_the_official_usage(tmp_path: Path):
    make.write_numbered(TABLE, tmp_path)
    wanted = make.with_official_rows(TABLE)
    same(layouts.read(tmp_path), wanted)
    table = layouts.read(tmp_path / "images")
    same(table, wanted)
    assert any("recovered from the rows" in note for note in table.notes)


@pytest.mark.parametrize("folder", [".", "data"])
@pytest.mark.parametrize("names", [None, SORTED_NAMES])
def test_parquet_maps_labels_by_name(tmp_path: Path, names: list[str] | None, folder: str):
    make.write_parquet(TABLE, tmp_path / folder, names)
    same(layouts.read(tmp_path), TABLE)


def test_parquet_without_rows(tmp_path: Path):
    make.write_parquet(TABLE, tmp_path, path="face.webp")
    table = layouts.read(tmp_path)
    same(table, replace(TABLE, rows=None))
    assert any("no names" in note for note in table.notes)


def edited(row: int, edit: Callable[[str], str]) -> str:
    lines = make.csv_lines(TABLE)
    lines[row] = edit(lines[row])
    return "\n".join(lines)


def pixels(change: Callable[[list[str]], list[str]]) -> Callable[[str], str]:
    def edit(line: str) -> str:
        label, numbers, usage = line.split(",")
        return ",".join((label, " ".join(change(numbers.split())), usage))

    return edit


BAD_CSV = {
    "one pixel short": (edited(7, pixels(lambda p: p[:-1])), ["data row 7", "2,303 pixels", "ownload"]),
    "word as pixel": (edited(8, pixels(lambda p: ["x1", *p[1:]])), ["data row 8", "pixel 1 is 'x1'"]),
    "fraction": (edited(8, pixels(lambda p: [p[0], "1.5", *p[2:]])), ["data row 8", "pixel 2 is '1.5'"]),
    "256": (edited(9, pixels(lambda p: [*p[:-1], "256"])), ["data row 9", "pixel 2304 is '256'", "0 to 255"]),
    "-1": (edited(9, pixels(lambda p: ["-1", *p[1:]])), ["data row 9", "'-1'"]),
    "no pixels": (edited(3, pixels(lambda p: [])), ["data row 3", "0 pixels"]),
    "label 9": (edited(70, lambda line: "9" + line[1:]), ["data row 70", "emotion is '9'", "ownload"]),
    "usage": (edited(5, lambda line: line.replace("Training", "Trainig")), ["data row 5", "'Trainig'", "PublicTest"]),
    "cut off": ("\n".join(make.csv_lines(TABLE)[:21]).rsplit(" ", 900)[0], ["data row 20", "pixels, not 2,304"]),
    "four fields": (edited(4, lambda line: line + ",a,b"), ["well-formed", "line 5"]),
    "no usage column": ("emotion,pixels\n1,2\n", ["no column Usage", "it has emotion, pixels"]),
    "header only": ("emotion,pixels,Usage\n", ["no rows"]),
    "empty": ("", ["is empty", "ownload"]),
    "no test": ("\n".join(make.csv_lines(TABLE)[:80]), ["no PublicTest face", "cut short"]),
}


@pytest.mark.parametrize("case", BAD_CSV)
def test_bad_csv(tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch):
    text, words = BAD_CSV[case]
    monkeypatch.setattr(layouts, "CHUNK_ROWS", 6)
    path = tmp_path / "fer2013.csv"
    path.write_text(text)
    said = sentence(path)
    assert [word for word in (str(path), *words) if word not in said] == []


def test_csv_that_is_not_utf8(tmp_path: Path):
    path = tmp_path / "fer2013.csv"
    path.write_bytes(edited(2, lambda line: line + "\xe9").encode("latin-1"))
    assert "isn't UTF-8" in sentence(path)


@pytest.mark.parametrize("suffix", ["csv.gz", "csv.xz", "csv.zip", "tar.gz"])
@pytest.mark.parametrize("part", [0.0, 0.5, 0.98])
def test_truncated_archive(tmp_path: Path, suffix: str, part: float):
    path = make.write_csv(TABLE, tmp_path / f"fer2013.{suffix}")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    said = sentence(path)
    assert str(path) in said and "ownload it again" in said


def test_archives_without_the_csv(tmp_path: Path):
    import tarfile
    import zipfile

    with zipfile.ZipFile(tmp_path / "a.zip", "w") as bundle:
        bundle.writestr("train/happy/1.png", "")
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "a.zip", "other.bin")
    assert "0 CSV files inside" in sentence(tmp_path / "a.zip")
    assert "no fer2013.csv inside" in sentence(tmp_path / "a.tar.gz")


def test_no_usable_layout(tmp_path: Path):
    assert "doesn't exist" in sentence(tmp_path / "nothing")
    assert "nothing in it" in sentence(tmp_path)
    (tmp_path / "trian").mkdir()
    assert "holds trian" in sentence(tmp_path)
    (tmp_path / "face.png").write_bytes(b"")
    assert "no usable layout" in sentence(tmp_path / "face.png")


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    return make.write_folders(TABLE, tmp_path, make.by_usage(TABLE))


def a_picture(folders: Path) -> Path:
    return sorted((folders / "test" / "sad").iterdir())[0]


def test_misspelt_emotion_folder(folders: Path):
    (folders / "test" / "surprise").rename(folders / "test" / "suprise")
    assert "Did you mean 'surprise'?" in sentence(folders)
    (folders / "test" / "suprise").rename(folders / "test" / "contempt")
    said = sentence(folders)
    assert str(folders / "test" / "contempt") in said and "angry, disgust" in said


def test_empty_folders(folders: Path):
    (folders / "train" / "anger").mkdir()
    said = sentence(folders)
    assert str(folders / "train" / "anger") in said and "no picture" in said
    (folders / "val").mkdir()
    (folders / "train" / "anger").rmdir()
    assert "val: holds no emotion folder" in sentence(folders)


BAD_PICTURES = {
    "size": (Image.new("L", (64, 48)), ["64x48", "fer-data crop"]),
    "colour": (Image.new("RGB", (48, 48), (9, 10, 11)), ["colour", "fer-data crop"]),
    "16 bits": (Image.fromarray(np.full((48, 48), 3000, np.uint16)), ["8 bits", "fer-data crop"]),
}


@pytest.mark.parametrize("case", BAD_PICTURES)
def test_pictures_that_are_no_gray_faces(folders: Path, case: str):
    picture, words = BAD_PICTURES[case]
    path = a_picture(folders)
    picture.save(path)
    said = sentence(folders)
    assert [word for word in (str(path), *words) if word not in said] == []


@pytest.mark.parametrize("size", [0, 60, 1500])
def test_unreadable_picture(folders: Path, size: int):
    path = a_picture(folders)
    path.write_bytes(path.read_bytes()[:size])
    said = sentence(folders)
    assert str(path) in said and "unreadable" in said


@pytest.mark.parametrize("name", ["face.png", "35887.png", "-3.png", "²3.png"])
def test_numbered_folders_with_another_name(tmp_path: Path, name: str):
    make.write_numbered(TABLE, tmp_path)
    path = next((tmp_path / "images" / "train" / "sad").iterdir())
    path.rename(path.with_name(name))
    said = sentence(tmp_path)
    assert name in said and "0 to 35886" in said


def test_numbered_folders_with_a_row_twice(tmp_path: Path):
    make.write_numbered(TABLE, tmp_path)
    (path,) = tmp_path.glob("images/*/*/7.png")
    Image.open(path).save(path.with_name("007.png"))
    assert "comes twice" in sentence(tmp_path)


def png(image: Image.Image) -> dict[str, object]:
    content = io.BytesIO()
    image.save(content, "PNG")
    return {"bytes": content.getvalue(), "path": "a.png"}


GOOD = png(Image.new("L", (48, 48)))
BAD_SHARDS = {
    "label 9": ({"image": [GOOD, GOOD], "label": [0, 9]}, ["row 2", "'9'", "neutral"]),
    "no label": ({"image": [GOOD], "label": [None]}, ["row 1"]),
    "contempt": ({"image": [GOOD, GOOD], "label": ["happy", "contempt"]}, ["row 2", "'contempt'"]),
    "size": ({"image": [png(Image.new("L", (8, 8)))], "label": [0]}, ["row 1", "8x8", "fer-data crop"]),
    "broken": ({"image": [{"bytes": b"x", "path": ""}], "label": [0]}, ["row 1", "unreadable"]),
    "null": ({"image": [GOOD, None], "label": [0, 1]}, ["row 2", "unreadable"]),
    "column": ({"image": [GOOD], "emotion": [0]}, ["no column label", "emotion"]),
    "pixels": ({"image": ["1 2 3"], "label": [0]}, ["column image is string"]),
    "no rows": ({"image": pa.array([], pa.struct({"bytes": pa.binary(), "path": pa.string()})), "label": []}, []),
}


@pytest.mark.parametrize("case", BAD_SHARDS)
def test_bad_parquet(tmp_path: Path, case: str):
    columns, words = BAD_SHARDS[case]
    for split in ("train", "test"):
        pq.write_table(pa.table(columns), tmp_path / f"{split}-0.parquet")
    said = sentence(tmp_path)
    assert [word for word in (str(tmp_path), *words) if word not in said] == []


def test_damaged_parquet(tmp_path: Path):
    make.write_parquet(TABLE, tmp_path)
    path = tmp_path / "valid-00000-of-00001.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    said = sentence(tmp_path)
    assert str(path) in said and "damaged or cut short" in said


@pytest.mark.real_data
@pytest.mark.skipif(REAL is None, reason="set FER2013_DIR")
def test_real_data_have_the_official_counts():
    table = layouts.read(Path(REAL or ""))
    for split, counts in enumerate(make.OFFICIAL_COUNTS):
        assert tuple(np.bincount(table.labels[table.usage == split])) == counts
