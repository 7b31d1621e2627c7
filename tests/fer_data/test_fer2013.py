"""Find the data, cache them, join FER+, count duplicates."""

import json
import logging
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

import make_layouts as make

from fer_data import fer2013, ferplus, layouts
from fer_data.errors import DataError
from fer_data.table import FaceTable

TABLE = make.small_table()
REAL = os.environ.get("FER2013_DIR")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return make.write_csv(TABLE, tmp_path / "source" / "fer2013.csv")


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, with an empty cache of Kaggle's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "kaggle"))
    return tmp_path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def never(*_: object) -> None:
    raise AssertionError("must not be called")


def broken_network(*_: object, **__: object) -> None:
    raise ConnectionError("no route")


# Finding


def test_auto_takes_the_variable_then_data(nowhere: Path, source: Path, monkeypatch: pytest.MonkeyPatch):
    make.write_csv(TABLE, nowhere / "data" / "fer2013" / "fer2013.csv")
    assert fer2013.locate("auto") == Path("data")
    monkeypatch.setenv("FER2013_DIR", str(source))
    assert fer2013.locate("auto") == source
    monkeypatch.setenv("FER2013_DIR", "gone")
    with pytest.raises(DataError, match=r"FER2013_DIR is gone, which doesn't exist.*synthetic"):
        fer2013.locate("auto")


def test_auto_looks_into_data_fer2013(nowhere: Path):
    make.write_parquet(TABLE, nowhere / "data" / "fer2013" / "data")
    assert fer2013.locate("auto") == Path("data/fer2013")


def test_path_that_does_not_exist():
    with pytest.raises(DataError, match=r"--data is /no/such, which doesn't exist"):
        fer2013.load("/no/such")


def test_auto_downloads_the_mirror_quietly(nowhere: Path, monkeypatch: pytest.MonkeyPatch):
    import kagglehub
    import requests

    make.write_folders(TABLE, nowhere / "mirror", make.by_usage(TABLE))
    monkeypatch.setattr(requests, "head", lambda url, timeout: None)
    monkeypatch.setattr(kagglehub, "dataset_download", {fer2013.MIRROR: str(nowhere / "mirror")}.get)
    assert len(fer2013.load("auto").labels) == len(TABLE.labels)
    assert not logging.getLogger("kagglehub").isEnabledFor(logging.INFO)


def test_auto_uses_what_kagglehub_has_without_a_network(nowhere: Path, monkeypatch: pytest.MonkeyPatch):
    import requests

    kept = nowhere / "kaggle" / "datasets" / fer2013.MIRROR
    make.write_folders(TABLE, kept, make.by_usage(TABLE))
    (kept.parents[1] / "1.complete").touch()
    monkeypatch.setattr(requests.Session, "request", broken_network)
    assert fer2013.locate("auto") == kept


@pytest.mark.parametrize("reason", ["no network", "no kagglehub"])
def test_auto_names_all_ways_in_one_sentence(nowhere: Path, reason: str, monkeypatch: pytest.MonkeyPatch):
    import requests

    monkeypatch.setattr(requests, "head", broken_network)
    if reason == "no kagglehub":
        monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(DataError) as caught:
        fer2013.load("auto")
    ways = ("--data PATH", "FER2013_DIR", "./data", "kagglehub", "--data synthetic")
    assert [way for way in ways if way not in str(caught.value)] == []


def test_synthetic():
    assert (fer2013.load("synthetic:70").usage == 0).sum() > 0
    for data in ("synthetic:", "synthetic:many", "synthetic:0", "synthetic:-4"):
        with pytest.raises(DataError, match=r"Write e\.g\. synthetic:700"):
            fer2013.load(data)


# Cache


def test_second_start_reads_the_cache(source: Path, cache: Path, monkeypatch: pytest.MonkeyPatch):
    first = fer2013.load(str(source))
    monkeypatch.setattr(layouts, "read", never)
    second = fer2013.load(str(source))
    assert fer2013.fingerprint(second) == fer2013.fingerprint(first) == fer2013.fingerprint(TABLE)
    assert second.rows is not None and (second.rows == TABLE.rows).all()
    assert second.notes == first.notes
    assert isinstance(second.images, np.memmap) and second.images.dtype == np.uint8
    assert len(list(cache.iterdir())) == 1


def test_no_cache(source: Path, cache: Path):
    assert fer2013.fingerprint(fer2013.load(str(source), cache=False)) == fer2013.fingerprint(TABLE)
    assert not cache.exists()


def test_cache_stands_in_the_users_cache_folder(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("FER_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    fer2013.load(str(source))
    assert len(list((tmp_path / "xdg" / "fer-lightning").glob("*/images.npy"))) == 1


def test_rows_stay_unknown_in_the_cache(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch):
    make.write_folders(TABLE, tmp_path / "faces", make.plain)
    notes = fer2013.load(str(tmp_path / "faces")).notes
    monkeypatch.setattr(layouts, "read", never)
    table = fer2013.load(str(tmp_path / "faces"))
    assert table.rows is None
    assert table.notes == notes


def test_changed_source_is_read_again(source: Path, cache: Path):
    fer2013.load(str(source))
    other = make.small_table(seed=1)
    make.write_csv(other, source)
    assert fer2013.fingerprint(fer2013.load(str(source))) == fer2013.fingerprint(other)
    assert len(list(cache.iterdir())) == 1


@pytest.mark.parametrize("file", ["images.npy", "labels.npy", "usage.npy", "rows.npy", "meta.json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "gone"])
def test_damaged_cache_is_built_again(source: Path, cache: Path, file: str, damage: str):
    fer2013.load(str(source))
    (path,) = cache.glob(f"*/{file}")
    content = path.read_bytes()
    path.unlink()
    if damage != "gone":
        flipped = content[:-90] + bytes([content[-90] ^ 1]) + content[-89:]
        path.write_bytes({"flip": flipped, "cut": content[:-9], "empty": b""}[damage])
    table = fer2013.load(str(source))
    assert fer2013.fingerprint(table) == fer2013.fingerprint(TABLE)
    assert table.rows is not None and (table.rows == TABLE.rows).all()
    assert path.read_bytes() == content


def test_cache_that_cannot_be_written(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FER_CACHE", str(tmp_path / "file" / "cache"))
    table = fer2013.load(str(source))
    assert fer2013.fingerprint(table) == fer2013.fingerprint(TABLE)
    assert "can't be written" in table.notes[-1] and "FER_CACHE" in table.notes[-1]


def test_two_processes_build_the_cache_at_once(source: Path, cache: Path, tmp_path: Path):
    program = (
        "import os, sys, time, pathlib\n"
        "from fer_data import fer2013\n"
        "while not pathlib.Path(sys.argv[2]).exists(): time.sleep(0.001)\n"
        "for turn in range(8):\n"
        "    table = fer2013.load(sys.argv[1])\n"
        "    print(fer2013.fingerprint(table), *[n for n in table.notes if 'cache' in n])\n"
        "    os.utime(sys.argv[1])\n"
    )
    go = tmp_path / "go"
    command = [sys.executable, "-c", program, str(source), str(go)]
    pair = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    go.touch()
    said = [process.communicate(timeout=60)[0].split("\n") for process in pair]
    assert said == [[fer2013.fingerprint(TABLE)] * 8 + [""]] * 2
    assert len(list(cache.iterdir())) == 1


# Content


def test_fingerprint_counts_content_and_order():
    known = fer2013.fingerprint(TABLE)
    assert len(known) == 64
    assert fer2013.fingerprint(replace(TABLE, rows=None, notes=("a",))) == known
    turned = np.arange(len(TABLE.labels))[::-1]
    labels = TABLE.labels.copy()
    labels[0] = (labels[0] + 1) % 7
    for other in (make.select(TABLE, turned), replace(TABLE, labels=labels)):
        assert fer2013.fingerprint(other) != known


def with_copies() -> FaceTable:
    """Copy one Training face twice: to Training with another label, and to PrivateTest with the same."""
    images, labels = TABLE.images.copy(), TABLE.labels.copy()
    test = int(np.argmax(TABLE.usage == 2))
    images[[1, test]] = images[0]
    labels[[0, 1, test]] = (3, 4, 3)
    return replace(TABLE, images=images, labels=labels)


def test_duplicates():
    found = fer2013.duplicates(with_copies())
    assert found.pop("copies") == 2
    assert found.pop("Training") == {"pairs": 1, "different_labels": 1}
    assert found.pop("Training+PrivateTest") == {"pairs": 2, "different_labels": 1}
    assert list(found) == ["Training+PublicTest", "PublicTest", "PublicTest+PrivateTest", "PrivateTest"]
    assert all(count == {"pairs": 0, "different_labels": 0} for count in found.values())


def test_dedup_test_mask():
    test = TABLE.usage == 2
    assert (fer2013.dedup_test_mask(TABLE) == test).all()
    mask = fer2013.dedup_test_mask(with_copies())
    assert np.flatnonzero(mask != test).tolist() == [int(np.argmax(test))]


def test_stats(source: Path):
    make.write_votes(TABLE, source.with_name("fer2013new.csv"))
    stats = json.loads(json.dumps(fer2013.stats(str(source))))
    training = TABLE.images[TABLE.usage == 0] / 255
    assert stats["n"] == len(TABLE.labels)
    assert stats["counts"]["PublicTest"]["disgust"] == 2
    assert stats["mean"] == pytest.approx(training.mean()) and stats["std"] == pytest.approx(training.std())
    assert stats["rows_known"] is True and stats["ferplus"] == str(source.with_name("fer2013new.csv"))
    assert stats["fingerprint"] == fer2013.fingerprint(TABLE)
    assert stats["test_dedup_n"] == (TABLE.usage == 2).sum()


def test_stats_of_synthetic():
    stats = fer2013.stats("synthetic:70")
    assert stats["source"] == "synthetic:70" and stats["ferplus"] is None


# FER+


def test_votes_follow_the_rows(tmp_path: Path):
    path = make.write_votes(TABLE, tmp_path / "fer2013new.csv")
    turned = make.select(TABLE, np.arange(len(TABLE.labels))[::-1])
    votes = ferplus.read_votes(path, turned)
    assert votes.shape == (len(TABLE.labels), 10) and votes.dtype == np.uint8
    assert votes.sum(axis=1).tolist() == [10] * len(votes)
    assert votes[:, 1:].argmax(axis=1)[turned.rows % 10 > 0].tolist() == [r % 10 - 1 for r in turned.rows if r % 10]
    assert ferplus.find_votes(tmp_path) == ferplus.find_votes(tmp_path / "fer2013.csv") == path
    assert ferplus.find_votes(tmp_path / "elsewhere" / "x.csv") is None


def test_votes_need_rows(tmp_path: Path):
    with pytest.raises(DataError, match=r"can't be joined.*icml_face_data\.csv.*<row>\.jpg.*parquet"):
        ferplus.read_votes(tmp_path / "fer2013new.csv", replace(TABLE, rows=None))


def without(lines: list[str], row: int) -> list[str]:
    return lines[:row] + lines[row + 1 :]


def replaced(lines: list[str], row: int, old: str, new: str) -> list[str]:
    assert old in lines[row]
    return [*lines[:row], lines[row].replace(old, new), *lines[row + 1 :]]


LAST = len(TABLE.labels)
FIRST_PUBLIC = int(np.argmax(TABLE.usage == 1)) + 1
BAD_VOTES = {
    "lost line": (lambda lines: without(lines, 5), [f"data row {FIRST_PUBLIC - 1} ", f"{LAST - 1} rows"]),
    "lost end": (lambda lines: lines[:-2], [f"data row {LAST - 1} "]),
    "one too many": (lambda lines: [*lines, lines[-1]], [f"data row {LAST + 1} "]),
    "usage": (lambda lines: replaced(lines, 3, "Training", "PublicTest"), ["data row 3 ", "PublicTest,fer"]),
    "no number": (lambda lines: replaced(lines, 4, "9", "nine"), ["data row 4 "]),
    "column": (lambda lines: replaced(lines, 0, "contempt", "scorn"), ["no column contempt"]),
    "empty": (lambda lines: [], ["is empty"]),
}


@pytest.mark.parametrize("case", BAD_VOTES)
def test_bad_votes(tmp_path: Path, case: str):
    edit, words = BAD_VOTES[case]
    path = make.write_votes(TABLE, tmp_path / "fer2013new.csv")
    path.write_text("".join(f"{line}\n" for line in edit(path.read_text().splitlines())))
    with pytest.raises(DataError) as caught:
        ferplus.read_votes(path, TABLE)
    assert [word for word in (str(path), "microsoft/FERPlus", *words) if word not in str(caught.value)] == []


def test_majority_rule():
    votes = {
        (6, 0, 1, 1, 0, 0, 0, 0, 2, 0): 0,  # 6 of the 8 left
        (4, 0, 0, 4, 1, 0, 0, 0, 1, 0): -1,  # half isn't more than half
        (3, 0, 0, 1, 1, 2, 1, 0, 1, 1): 0,  # 3 of 5, once single votes are gone
        (0, 0, 0, 0, 0, 0, 0, 6, 4, 0): 7,
        (0, 2, 0, 0, 0, 0, 0, 0, 8, 0): -1,  # unknown
        (0, 0, 0, 0, 0, 0, 0, 0, 0, 10): -1,  # not a face
        (1, 1, 1, 1, 1, 1, 1, 1, 1, 1): -1,
    }
    found = ferplus.majority(np.array(list(votes), np.uint8))
    assert found.dtype == np.int8 and found.tolist() == list(votes.values())
    as_labelled = ferplus.majority_as_labelled(np.array(list(votes), np.uint8))  # neutral is FER2013's 6
    assert as_labelled.tolist() == [6, -2, 6, -1, -2, -2, -2]


@pytest.mark.real_data
@pytest.mark.skipif(REAL is None, reason="set FER2013_DIR")
def test_real_data():
    table = fer2013.load(str(REAL))
    assert int(fer2013.dedup_test_mask(table).sum()) == 3275
    path = ferplus.find_votes(Path(str(REAL)))
    if path and table.rows is not None:
        labels = ferplus.majority(ferplus.read_votes(path, table))
        assert int((labels[table.usage == 2] >= 0).sum()) == 3153


def test_ferplus_takes_the_majorities_and_leaves_other_faces_out(tmp_path: Path):
    make.write_csv(TABLE, tmp_path / "fer2013.csv")
    make.write_votes(TABLE, tmp_path / "fer2013new.csv")
    lines = (tmp_path / "fer2013new.csv").read_text().splitlines()
    kept = ",".join(lines[6].split(",")[:2])
    lines[6], lines[9] = f"{kept},0,0,0,1,0,0,0,9,0,0", f"{','.join(lines[9].split(',')[:2])},1,0,0,0,0,0,0,0,0,9"
    (tmp_path / "fer2013new.csv").write_text("\n".join(lines) + "\n")
    table = fer2013.load(f"ferplus:{tmp_path}")
    assert len(table.labels) == len(TABLE.labels) - 1 and 8 not in table.rows  # nine of ten say: no face
    assert table.classes[table.labels[5]] == "contempt" and set(table.labels) == {0, 7}
    assert np.array_equal(table.images[5], TABLE.images[5]) and np.array_equal(table.images[8], TABLE.images[9])
    assert "1 faces without a majority" in table.notes[-1]
    assert fer2013.fingerprint(table) != fer2013.fingerprint(fer2013.load(str(tmp_path)))
