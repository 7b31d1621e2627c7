"""A folder of photos becomes a data set, also when the run is killed."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

import photos
from fer_data.crop_folder import COLUMNS, CropSummary, crop_folder
from fer_data.errors import DataError, UserError
from fer_data.faces import crop


def save(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def run(source: Path, target: Path, **options: object) -> CropSummary:
    return crop_folder(source, target, detector=photos.detector(), **options)


def rows(target: Path) -> dict[str, dict[str, str]]:
    with (target / "faces.csv").open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


def tree(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Photos with one face, four, none, and what can't be read."""
    one = photos.encode(photos.astronaut(), "JPEG", quality=95)
    return save(
        tmp_path / "in",
        {
            "top.jpg": one,
            "train/happy/Frau im Weltraum ä.JPG": one,
            "train/happy/crowd.webp": photos.encode(photos.crowd(), "WEBP"),
            "train/sad/cup.png": photos.encode(photos.faceless()),
            "train/sad/cut.jpg": one[:9000],
            "train/sad/moving.gif": photos.animation("GIF"),
            "train/sad/face48.png": photos.encode(photos.small_faces()[0]),
            "train/sad/notes.txt": b"not a photo",
            "train/sad/.hidden.jpg": one,
        },
    )


def test_labels_stay_sub_folders_and_the_table_tells_all(source: Path, tmp_path: Path):
    target = tmp_path / "out"
    assert run(source, target) == CropSummary(photos=7, faces=7, without_face=1, unreadable=2, resumed=0)
    assert sorted(tree(target)) == [
        "crop.json",
        "faces.csv",
        "top_0.png",
        "train/happy/Frau_im_Weltraum_ä_0.png",
        *(f"train/happy/crowd_{k}.png" for k in range(4)),
        "train/sad/face48_0.png",
    ]
    for path in target.rglob("*.png"):
        image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
        assert image.shape == (48, 48) and image.std() > 20
    table = rows(target)
    assert tuple(table["top.jpg"]) == COLUMNS
    assert json.loads(table["train/happy/crowd.webp"]["crops"]) == [f"train/happy/crowd_{k}.png" for k in range(4)]
    assert len(json.loads(table["train/happy/crowd.webp"]["boxes"])) == 4
    assert json.loads(table["top.jpg"]["scores"])[0] > 0.99
    assert table["train/sad/cup.png"]["faces"] == "0" and not table["train/sad/cup.png"]["error"]
    assert "is cut short" in table["train/sad/cut.jpg"]["error"]
    assert "is a GIF file" in table["train/sad/moving.gif"]["error"]


def test_options_reach_the_crops(tmp_path: Path):
    source = save(tmp_path / "in", {"crowd.png": photos.encode(photos.crowd())})
    run(source, tmp_path / "out", size=64, margin=0.5, align=True, all_faces=False)
    face = photos.detector().detect([photos.crowd()])[0][0]
    expected = crop(photos.crowd(), face, size=64, margin=0.5, align=True)
    (path,) = (tmp_path / "out").glob("*.png")
    assert np.array_equal(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), expected)


def test_names_never_collide(tmp_path: Path):
    small = photos.encode(photos.small_faces()[0])
    names = ["a.jpg", "a.png", "A.png", "a_0.png", "a-2.png", "b c.png", "b_c.png", "🙂.png", "…" * 80 + ".png"]
    source = save(tmp_path / "in", dict.fromkeys([*names, "new\nline.png", os.fsdecode(b"latin\xe4.png")], small))
    summary = run(source, tmp_path / "out")
    assert summary.faces == summary.photos == len({p.name.lower() for p in (tmp_path / "out").glob("*.png")}) == 11
    assert run(source, tmp_path / "out").resumed == 11


def test_a_photo_added_later_replaces_nothing(tmp_path: Path):
    small = [photos.encode(picture) for picture in photos.small_faces()[:2]]
    source = save(tmp_path / "in", {"a.png": small[0]})
    run(source, tmp_path / "out")
    before = tree(tmp_path / "out")
    save(source, {"a.PNG": small[1], "A.png": small[1]})  # both sort before a.png
    assert run(source, tmp_path / "out").resumed == 1
    after = tree(tmp_path / "out")
    assert before["a_0.png"] == after["a_0.png"]
    assert {"a-2_0.png", "A-3_0.png"} < after.keys() or {"A-2_0.png", "a-3_0.png"} < after.keys()


def test_a_second_run_does_nothing(source: Path, tmp_path: Path):
    first = run(source, tmp_path / "out")
    before = tree(tmp_path / "out")
    again = run(source, tmp_path / "out")
    assert again == CropSummary(first.photos, first.faces, first.without_face, first.unreadable, first.photos)
    assert tree(tmp_path / "out") == before


def test_killed_and_resumed_equals_undisturbed(tmp_path: Path):
    crowd = photos.encode(photos.crowd(), "JPEG")
    source = save(tmp_path / "in", {f"{label}/{k}.jpg": crowd for k in range(8) for label in ("happy", "sad")})
    code = "import sys, pathlib, fer_data.crop_folder as c; c.crop_folder(*map(pathlib.Path, sys.argv[1:]))"
    killed, table = tmp_path / "killed", tmp_path / "killed" / "faces.csv"
    process = subprocess.Popen([sys.executable, "-c", code, source, killed], stderr=subprocess.DEVNULL)
    while process.poll() is None and not (table.exists() and table.read_bytes().count(b"\n") > 4):
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    done = len(rows(killed))
    assert 4 <= done < 16
    assert run(source, killed).resumed == done
    assert run(source, tmp_path / "undisturbed") == CropSummary(16, 64, 0, 0, resumed=0)
    assert tree(killed) == tree(tmp_path / "undisturbed")


def test_nothing_half_written_counts(source: Path, tmp_path: Path):
    run(source, tmp_path / "whole")
    run(source, tmp_path / "torn")
    table = tmp_path / "torn" / "faces.csv"
    lines = table.read_bytes().splitlines(keepends=True)
    table.write_bytes(b"".join(lines[:-3]) + lines[-3][:-7])
    (tmp_path / "torn" / "train/happy/crowd_1.png").write_bytes(b"half")
    (tmp_path / "torn" / "train/sad/.face48_0.png.part").write_bytes(b"half")
    undone = {line.split(b",")[0].decode() for line in lines[-3:]}
    assert run(source, tmp_path / "torn").resumed == 7 - len(undone)
    whole, torn = tree(tmp_path / "whole"), tree(tmp_path / "torn")
    torn["train/happy/crowd_1.png"] = whole["train/happy/crowd_1.png"]  # its row was there: it was done
    assert torn == whole


def test_sources_that_cannot_be(tmp_path: Path):
    save(tmp_path / "empty", {"notes.txt": b""})
    for source, why in ((tmp_path / "none", "is not a folder"), (tmp_path / "empty", "has no photos in it")):
        with pytest.raises(DataError, match=why):
            run(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_targets_that_cannot_be(source: Path, tmp_path: Path):
    save(tmp_path / "full", {"top_0.png": b"mine"})
    save(tmp_path / "alien", {"crop.json": b"{}"})
    for target, why in (
        (source, "is or lies in the source"),
        (source / "train" / "out", "is or lies in the source"),
        (tmp_path / "full", "holds something else"),
        (tmp_path / "alien", "was made with {}"),
        (source / ".." / "full" / "top_0.png", "can't be written"),
    ):
        with pytest.raises(DataError, match=why):
            run(source, target)
    assert tree(tmp_path / "full") == {"top_0.png": b"mine"}


def test_other_settings_do_not_mix(tmp_path: Path):
    source = save(tmp_path / "in", {"a.png": photos.encode(photos.small_faces()[0])})
    run(source, tmp_path / "out")
    with pytest.raises(DataError, match=r'was made with .*"size": 48.*, not .*"size": 96'):
        run(source, tmp_path / "out", size=96)
    (tmp_path / "out" / "faces.csv").write_text("other,columns\n")
    with pytest.raises(DataError, match="does not have the columns"):
        run(source, tmp_path / "out")


def test_bad_options_leave_no_folder(source: Path, tmp_path: Path):
    with pytest.raises(UserError, match="margin=9 is out of range"):
        run(source, tmp_path / "out", margin=9)
    assert not (tmp_path / "out").exists()
