"""Films: whole, damaged, sideways, odd ones, and what is written of them."""

import csv
import json
import os
import re
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest

import films
import photos
from fer_data.emotions import EMOTIONS
from fer_data.errors import UserError
from fer_data.faces import Face, crop
from fer_models.cli import main
from fer_models.drawing import draw
from fer_models.films import video
from fer_models.films.timeline import Timeline
from fer_models.films.video import FilmError, annotate_film, open_film, open_writer
from fer_models.predict import EmotionPredictor
from fer_models.results import FacePrediction, FrameResult
from fer_models.table import COLUMNS, ResultTable

pytestmark = pytest.mark.usefixtures("one_detector")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five frames of nobody, then 20 of a face that walks to the right: one second."""
    return films.write(
        tmp_path_factory.mktemp("film") / "walk.mp4", [films.scene()] * 5 + films.walk(20), movflags="faststart"
    )


def numbers(path: Path, every: int = 1) -> list[int]:
    with open_film(path) as opened:
        return [number for number, _, _ in opened.frames(every)]


# Reading


def test_frames_have_numbers_times_and_pixels(film: Path):
    with open_film(film) as opened:
        frames = list(opened.frames())
    assert [number for number, _, _ in frames] == list(range(25))
    assert np.allclose([time for _, time, _ in frames], np.arange(25) / 25)
    assert opened.seconds == pytest.approx(1) and opened.damage is None
    assert np.abs(frames[10][2].astype(int) - films.walk(6)[5]).mean() < 4
    assert numbers(film, every=10) == [0, 10, 20]


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mkv", "libx264"), ("a.webm", "libvpx-vp9"), ("a.avi", "mpeg4"), ("a.ts", "libx264"), ("a.MOV", "libx264")],
)
def test_common_formats_are_read(tmp_path: Path, name: str, codec: str):
    path = films.write(tmp_path / name, films.walk(12), codec=codec)
    with open_film(path) as opened:
        times = [time for _, time, _ in opened.frames()]
    assert len(times) == 12 and times[0] == pytest.approx(0, abs=0.05) and opened.damage is None
    assert np.allclose(np.diff(times), 0.04, atol=0.002)


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_phone_film_held_sideways_is_turned_upright(tmp_path: Path, rotation: int):
    upright = films.walk(3)
    stored = [np.ascontiguousarray(np.rot90(frame, -rotation // 90)) for frame in upright]
    path = films.write(tmp_path / "phone.mp4", stored, rotation=rotation)
    with open_film(path) as opened:
        for (_, _, frame), wanted in zip(opened.frames(), upright, strict=True):
            assert frame.shape == wanted.shape and np.abs(frame.astype(int) - wanted).mean() < 4


def test_a_phones_way_to_say_that_it_was_upright(tmp_path: Path):
    """The matrix of an iPhone's upright film: turn the stored pixels clockwise."""
    stored = np.ascontiguousarray(np.rot90(films.walk(1)[0]))
    path = films.write(tmp_path / "phone.mp4", [stored] * 2)
    one, minus, zero, last = (value.to_bytes(4, "big") for value in (0x10000, 0xFFFF0000, 0, 0x40000000))
    plain = one + zero * 3 + one + zero * 3 + last
    content = path.read_bytes()
    start = content.index(plain, content.index(b"tkhd"))  # the film as a whole has one too
    path.write_bytes(content[:start] + zero + one + zero + minus + zero * 4 + last + content[start + len(plain) :])
    with open_film(path) as opened:
        assert np.abs(next(iter(opened.frames()))[2].astype(int) - films.walk(1)[0]).mean() < 4


def bad_films(folder: Path) -> dict[str, str]:
    """Write films that can't be read; give for each a part of the sentence that must say why."""
    whole = films.write(folder / "whole.mp4", films.walk(5)).read_bytes()
    (folder / "whole.mp4").unlink()
    contents = {
        "empty.mp4": (b"", "is empty (0 bytes)"),
        "text.mp4": ("Grüße, not a film".encode(), "is not a film that can be read"),
        "photo.mp4": (photos.encode(photos.astronaut()), "is not a film that can be read"),
        "list.mp4": (b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nwhole.ts\n#EXT-X-ENDLIST\n", "is not a film"),
        "no-index.mp4": (whole[: len(whole) // 2], "is damaged or cut short so that nothing of it can be read"),
    }
    for name, (content, _) in contents.items():
        (folder / name).write_bytes(content)
    films.write(folder / "sound.mp4", [], sound=1.0)
    films.write(folder / "cover.mp4", [films.head()], sound=1.0, cover=True)
    films.write(folder / "rare.mkv", films.walk(2), codec="ffv1")
    told = {"sound.mp4": "only sound", "cover.mp4": "only sound", "rare.mkv": "is coded in a way that isn't supported"}
    return {name: words for name, (_, words) in contents.items()} | told


def test_what_is_no_film_is_a_sentence(tmp_path: Path):
    for name, words in bad_films(tmp_path).items():
        with pytest.raises(FilmError, match=re.escape(words)), open_film(tmp_path / name):
            pass
    for path, words in (
        (tmp_path, "is a folder"),
        (tmp_path / "none.mp4", "does not exist"),
        ("x\0.mp4", "read|exist"),
    ):
        with pytest.raises(FilmError, match=words), open_film(path):
            pass


def test_a_film_with_huge_frames_is_refused_by_its_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, film: Path):
    monkeypatch.setattr(video, "MAX_PIXELS", 320 * 240 - 1)
    with pytest.raises(FilmError, match="320 by 240 pixels"), open_film(film):
        pass


def test_a_truncated_film_is_read_up_to_the_cut_and_says_so(tmp_path: Path):
    for name, options in (("cut.mp4", {"movflags": "faststart"}), ("cut.mkv", {})):
        path = films.write(tmp_path / name, films.walk(75, step=1), sound=3.0, **options)
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * 0.7)])
        with open_film(path) as opened:
            count = len(list(opened.frames()))
        assert 15 < count < 70, name
        assert opened.damage and "is cut short or damaged" in opened.damage and re.search("of 3.[01] s", opened.damage)


def test_sound_longer_than_the_pictures_is_no_damage(tmp_path: Path):
    for name in ("long.mp4", "long.mkv"):
        path = films.write(tmp_path / name, films.walk(10), sound=3.0)
        assert len(numbers(path)) == 10
        with open_film(path) as opened:
            list(opened.frames())
        assert opened.damage is None


def test_damage_in_the_middle_does_not_end_the_reading(tmp_path: Path):
    path = films.write(tmp_path / "holes.mkv", films.walk(50, step=1))
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(0)
    for at in rng.integers(len(content) // 3, len(content) * 2 // 3, 40):
        content[at] ^= 0xFF
    path.write_bytes(content)
    with open_film(path) as opened:
        count = len(list(opened.frames()))
    assert 25 < count <= 50


@pytest.mark.slow
def test_mutants_never_raise_anything_but_a_sentence(tmp_path: Path, film: Path):
    for content in photos.mutants(film.read_bytes(), 300, seed=0):
        (tmp_path / "mutant.mp4").write_bytes(content)
        with suppress(FilmError):
            numbers(tmp_path / "mutant.mp4")


# Writing


@pytest.mark.parametrize("size", [(320, 240), (161, 91), (2, 2), (1, 1)])
def test_a_written_film_plays_in_browsers(tmp_path: Path, size: tuple[int, int]):
    width, height = size
    frame = cv2.resize(photos.astronaut(), size, interpolation=cv2.INTER_AREA)
    with open_writer(tmp_path / "new" / "out.mp4") as writer:
        for i in range(10):
            writer.write(frame, i / 30)
    frames, times, about = films.read(tmp_path / "new" / "out.mp4")
    assert about == {"codec": "h264", "pix_fmt": "yuv420p", "sound": 0} and len(frames) == 10
    assert all(abs(got - wanted) <= 1 for got, wanted in zip(frames[0].shape[:2], (height, width), strict=True))
    assert np.allclose(times, np.arange(10) / 30, atol=1e-4)
    head = (tmp_path / "new" / "out.mp4").read_bytes()
    assert head.index(b"moov") < head.index(b"mdat")  # it plays before all of it is there


def test_a_large_film_is_shrunk_and_odd_times_are_put_in_order(tmp_path: Path):
    with open_writer(tmp_path / "out.mp4", max_side=100) as writer:
        for time, shape in ((0.0, (300, 400)), (0.5, (300, 400)), (0.5, (400, 300)), (0.2, (300, 400))):
            writer.write(np.zeros((*shape, 3), np.uint8), time)
    frames, times, _ = films.read(tmp_path / "out.mp4")
    assert len(frames) == 4 and frames[0].shape == (76, 100, 3) and times == sorted(set(times))


def test_a_film_is_there_whole_or_not_at_all(tmp_path: Path):
    (tmp_path / "out.mp4").write_text("old")
    with pytest.raises(RuntimeError), open_writer(tmp_path / "out.mp4") as writer:
        writer.write(photos.astronaut(), 0.0)
        raise RuntimeError
    assert (tmp_path / "out.mp4").read_text() == "old" and len(list(tmp_path.iterdir())) == 1
    with pytest.raises(UserError, match="could not write"), open_writer(tmp_path / "out.mp4" / "x.mp4"):
        pass


# Both


def test_a_film_is_annotated_frame_by_frame(predictor: EmotionPredictor, film: Path, tmp_path: Path):
    results: list[FrameResult] = []
    shares: list[float] = []
    out, picture = tmp_path / "out.mp4", tmp_path / "timeline.png"
    summary = annotate_film(film, out, predictor, timeline=picture, on_frame=results.append, progress=shares.append)
    assert [result.frame for result in results] == list(range(25))
    assert all(not result.faces for result in results[:5])
    assert all([face.track for face in result.faces] == [1] for result in results[5:])
    assert (summary.frames, summary.damage) == (25, None) and summary.tracks[0].frames == 20
    assert sum(summary.tracks[0].probabilities.values()) == pytest.approx(1, abs=1e-3)
    assert shares == sorted(shares) and shares[0] >= 0 and shares[-1] > 0.9
    frames, _, about = films.read(out)
    assert len(frames) == 25 and about["codec"] == "h264"
    original = films.walk(20)[-1]
    drawn = draw(original, results[-1].faces)
    assert np.abs(frames[-1].astype(int) - drawn).mean() < np.abs(frames[-1].astype(int) - original).mean()
    assert cv2.imread(str(picture)).shape[1] == 1090


def test_batches_do_not_change_a_film(predictor: EmotionPredictor, film: Path):
    def rows(batch_size: int) -> list[list[float]]:
        found: list[FrameResult] = []
        annotate_film(film, None, predictor, on_frame=found.append, batch_size=batch_size)
        return [list(face.probabilities.values()) for result in found for face in result.faces]

    assert len(rows(1)) == 20 and np.allclose(rows(1), rows(7), atol=1e-6)


def test_smoothing_can_be_switched_off(predictor: EmotionPredictor, film: Path):
    def last(smooth: float) -> tuple[FrameResult, np.ndarray]:
        found: list[FrameResult] = []
        annotate_film(film, None, predictor, on_frame=found.append, smooth=smooth)
        return found[-1], np.array([list(result.faces[0].probabilities.values()) for result in found[5:]])

    result, raw = last(0.0)
    with open_film(film) as opened:
        frame = list(opened.frames())[-1][2]
    alone = predictor.classify([crop(frame, result.faces[0].face)])[0]
    assert list(alone) == pytest.approx(list(result.faces[0].probabilities.values()), abs=1e-5)
    assert np.abs(np.diff(last(0.5)[1], axis=0)).max() < np.abs(np.diff(raw, axis=0)).max()


def test_a_film_can_be_stopped_by_time_and_from_outside(predictor: EmotionPredictor, film: Path, tmp_path: Path):
    assert annotate_film(film, tmp_path / "a.mp4", predictor, max_seconds=0.4).frames == 10
    assert len(films.read(tmp_path / "a.mp4")[0]) == 10
    asked = iter([False] * 6 + [True])
    assert annotate_film(film, None, predictor, stop=lambda: next(asked)).frames == 6
    with pytest.raises(FilmError, match="stopped before its first frame"):
        annotate_film(film, tmp_path / "b.mp4", predictor, timeline=tmp_path / "b.png", stop=lambda: True)
    assert {path.name for path in tmp_path.iterdir()} == {"a.mp4", "small"}


def test_a_film_without_a_frame_leaves_nothing(predictor: EmotionPredictor, film: Path, tmp_path: Path):
    content = bytearray(film.read_bytes())
    start = content.index(b"mdat") + 4
    content[start:] = bytes(len(content) - start)
    (tmp_path / "zeros.mp4").write_bytes(content)
    with pytest.raises(FilmError, match="has no frame that can be decoded"):
        annotate_film(tmp_path / "zeros.mp4", tmp_path / "out.mp4", predictor)
    assert {path.name for path in tmp_path.iterdir()} == {"zeros.mp4", "small"}


def resident() -> int:
    """Give the memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def growth(predictor: EmotionPredictor, path: Path, out: Path, after: int) -> float:
    """Give by how many megabytes memory grows after a number of frames."""
    sizes: list[int] = []
    annotate_film(path, out, predictor, on_frame=lambda _: sizes.append(resident()))
    return (max(sizes[after:]) - sizes[after]) / 1e6


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_memory_does_not_grow_with_the_film(predictor: EmotionPredictor, tmp_path: Path):
    path = films.write(tmp_path / "film.mp4", [films.walk(1)[0]] * 250)
    assert growth(predictor, path, tmp_path / "out.mp4", after=100) < 20  # the other 150 frames have 35 MB


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_memory_stays_flat_over_ten_minutes(predictor: EmotionPredictor, tmp_path: Path):
    def long() -> Iterator[np.ndarray]:
        for i in range(15_000):
            yield films.scene((films.head(), -130 + 4 * (i % 120), 60))

    path = films.write(tmp_path / "film.mp4", long())
    assert growth(predictor, path, tmp_path / "out.mp4", after=1000) < 25


# The timeline


def result(time: float, *faces: tuple[int, str]) -> FrameResult:
    box = Face((10.0, 10.0, 60.0, 70.0), 1.0, ())
    shares = [FacePrediction(box, {e: float(e == emotion) for e in EMOTIONS}, track) for track, emotion in faces]
    return FrameResult(0, time, shares)


def test_a_timeline_sums_up_and_stays_small():
    lines = Timeline()
    for i in range(20_000):
        emotion = "happy" if i < 15_000 else "sad"
        lines.add(result(i / 10, (1, emotion), *([(2 + i // 20, emotion)] if i % 20 < 3 else [])))
    first, second, *_ = lines.tracks()
    assert (first.track, first.frames, first.first, first.last) == (1, 20_000, 0.0, 1999.9)
    assert first.probabilities["happy"] == pytest.approx(0.75) and second.frames == 3
    assert len(lines.tracks()) <= 200 and max(len(record.pieces) for record in lines._records.values()) <= 1024


def test_a_timeline_shows_who_was_what_when():
    lines = Timeline()
    for i in range(100):
        lines.add(result(i / 10, *([(1, "happy")] if i < 50 else [(2, "sad")])))
    picture = lines.draw()
    happy, sad, empty = (tuple(bytes.fromhex(colour)) for colour in ("E69F00", "0072B2", "EEEEEE"))
    rows = picture[60], picture[60 + 124]
    assert [tuple(rows[row][x]) for row, x in ((0, 200), (0, 900), (1, 200), (1, 900))] == [happy, empty, empty, sad]
    assert Timeline().draw().shape[1] == 1090


# The table and the command line


def predict(capsys: pytest.CaptureFixture[str], *argv: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main(["predict", *map(str, argv)])
    said = capsys.readouterr()
    return int(caught.value.code or 0), said.out, said.err


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_film_gives_a_row_a_face_and_frame(
    folder: Path, film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    status, out, err = predict(capsys, film, "--model", folder, "--csv", tmp_path / "t.csv", "--save", tmp_path / "out")
    rows = table(tmp_path / "t.csv")
    assert (status, err) == (0, "") and "walk.mp4: 25 frames up to 1.0 s, 1 face\n  face 1, 0.2 to 1.0 s" in out
    assert tuple(rows[0]) == COLUMNS and [row["frame"] for row in rows] == [str(i) for i in range(25)]
    assert all(row["track"] == row["x1"] == row["happy"] == "" for row in rows[:5])
    for row in rows[5:]:
        assert row["track"] == "1" and sum(float(row[emotion]) for emotion in EMOTIONS) == pytest.approx(1, abs=1e-3)
        assert 0 < float(row["x1"]) < float(row["x2"]) < 320 and float(row["score"]) > 0.7
    assert float(rows[24]["time"]) == pytest.approx(24 / 25, abs=1e-3)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"walk-faces.mp4", "walk-faces-timeline.png"}


def test_json_has_a_line_a_frame(folder: Path, film: Path, capsys: pytest.CaptureFixture[str]):
    status, out, _ = predict(capsys, film, "--model", folder, "--json", "--every", 5)
    rows = [json.loads(line) for line in out.splitlines()]
    assert status == 0 and [(row["frame"], len(row["faces"])) for row in rows] == [
        (0, 0),
        (5, 1),
        (10, 1),
        (15, 1),
        (20, 1),
    ]
    assert set(rows[1]) == {"file", "frame", "time", "faces", "error"} and rows[1]["faces"][0]["track"] == 1


def test_a_truncated_film_gives_its_rows_a_sentence_and_status_one(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = films.write(tmp_path / "cut.mp4", films.walk(50, step=1), movflags="faststart")
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.6)])
    status, out, err = predict(capsys, path, "--model", folder, "--csv", tmp_path / "t.csv", "--save", tmp_path)
    rows = table(tmp_path / "t.csv")
    assert status == 1 and "cut short or damaged" in err and "frames up to" in out
    assert "cut short or damaged" in rows[-1]["error"] and 10 < len(rows) - 1 == len(
        films.read(tmp_path / "cut-faces.mp4")[0]
    )


@pytest.fixture
def mixed(tmp_path: Path, film: Path) -> Path:
    """A folder with photos and films in it, good and bad ones, at two depths."""
    inside = tmp_path / "in" / "deep" / "Grüße"
    inside.mkdir(parents=True)
    bad_films(tmp_path / "in")
    (inside / "walk.mp4").write_bytes(film.read_bytes())
    (inside / "me\nyou.jpg").write_bytes(photos.encode(photos.crowd(), "JPEG"))
    (inside / "coffee.png").write_bytes(photos.encode(photos.faceless()))
    (inside / ".hidden.jpg").write_bytes(b"")
    (inside / "notes.txt").write_bytes(b"")
    for name, (content, _) in list(photos.hostile().items())[:3]:
        (tmp_path / "in" / name).write_bytes(content)
    return tmp_path / "in"


def test_a_folder_is_gone_on_with_wherever_it_was_stopped(
    folder: Path, mixed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = tmp_path / "t.csv"
    status, _, err = predict(capsys, mixed, "--model", folder, "--csv", path)
    whole, rows = path.read_bytes(), table(path)
    assert status == 1 and sum(bool(row["error"]) for row in rows) == 11 == len(err.splitlines())
    assert len({row["file"] for row in rows}) == 14 and not any(
        "notes" in row["file"] or "hidden" in row["file"] for row in rows
    )
    assert [row["track"] for row in rows if "you.jpg" in row["file"]] == [""] * 4
    for share in (0.999, 0.7, 0.3, 0.02):
        path.write_bytes(whole[: int(len(whole) * share)])
        done = ResultTable(path, resume=True)
        done.__exit__(None, None, None)
        assert predict(capsys, mixed, "--model", folder, "--csv", path, "--resume")[0] in (0, 1)
        assert path.read_bytes() == whole, share
        if share == 0.7:
            assert len(done.done) > 3


def test_a_table_is_not_overwritten_nor_another_file_gone_on_with(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    other = tmp_path / "t.csv"
    other.write_text("a,b\n1,2\n")
    for options, words in (([], "is there already"), (["--resume"], "is not a table of this program")):
        status, _, err = predict(capsys, "x.jpg", "--model", folder, "--csv", other, *options)
        assert status == 1 and words in err and other.read_text() == "a,b\n1,2\n"
    status, _, err = predict(capsys, "x.jpg", "--model", folder, "--resume")
    assert status == 1 and "--csv" in err


def test_copies_keep_their_place_and_are_no_input(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    for name in ("a/me.png", "b/me.png", "b/me.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(photos.encode(photos.astronaut(), "PNG" if name.endswith("png") else "JPEG"))
    for _ in range(2):
        status, out, _ = predict(capsys, tmp_path, "--model", folder, "--save", tmp_path / "out")
        assert status == 0 and out.count(": 1 face") == 3
    made = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.png")}
    assert made == {"a/me-faces.png", "b/me-faces.png", "b/me-faces-2.png"}
    (tmp_path / "b" / "me-faces.png").write_bytes(photos.encode(photos.astronaut()))
    status, _, err = predict(
        capsys, tmp_path / "b" / "me.png", tmp_path / "b" / "me-faces.png", "--model", folder, "--save", tmp_path / "b"
    )
    assert status == 1 and "would write its copy over" in err


def test_patterns_are_expanded_and_what_stands_for_nothing_is_a_sentence(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    for name in ("a.png", "b[1].png"):
        (tmp_path / name).write_bytes(photos.encode(photos.faceless()))
    (tmp_path / "none").mkdir()
    status, out, err = predict(capsys, tmp_path / "*.png", tmp_path / "b[1].png", "--model", folder)
    assert (status, err) == (0, "") and out.count("no face found") == 2
    status, _, err = predict(capsys, tmp_path / "*.gif", tmp_path / "none", "x" * 5000, "--model", folder)
    assert status == 1 and len(err.splitlines()) == 3 and "does not exist" in err and "is a folder" in err


@pytest.mark.parametrize("option", ["every", "batch-size", "smooth", "detect-every", "side"])
def test_options_out_of_range_are_sentences(folder: Path, capsys: pytest.CaptureFixture[str], option: str):
    status, _, err = predict(capsys, "x.mp4", "--model", folder, f"--{option}", -1)
    assert status == 1 and err.startswith(f"error: --{option} is -1") and err.count("\n") == 1


@pytest.mark.parametrize("name", ["camera:99", "camera:", "camera:x", "camera:-1"])
def test_a_camera_that_is_not_there_is_a_sentence(folder: Path, capfd: pytest.CaptureFixture[str], name: str):
    status, _, err = predict(capfd, name, "--model", folder)
    assert status == 1 and err.startswith(name) and err.count("\n") == 1


class PressesCtrlC:
    """A camera that plays a film, and sends Ctrl-C after some frames."""

    def __init__(self, film: Path, after: int | None) -> None:
        self._film, self._left = cv2.VideoCapture(str(film)), after

    def __getattr__(self, name: str) -> object:
        return getattr(self._film, name)

    def read(self) -> tuple[bool, np.ndarray]:
        if self._left is not None:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGINT)
        return self._film.read()


@pytest.mark.parametrize("after", [None, 12])
def test_a_camera_ends_by_ctrl_c_or_when_unplugged(
    folder: Path,
    film: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    after: int | None,
):
    monkeypatch.setattr(
        "fer_models.films.video.cv2.VideoCapture",
        lambda number, real=cv2.VideoCapture: PressesCtrlC(film, after) if number == 0 else real(number),
    )
    status, out, err = predict(capsys, "camera:0", "--model", folder, "--csv", tmp_path / "t.csv", "--save", tmp_path)
    frames = [row["frame"] for row in table(tmp_path / "t.csv") if not row["error"]]
    assert "face 1" in out and len(films.read(tmp_path / "camera-0-faces.mp4")[0]) == len(frames)
    if after is None:
        assert status == 1 and len(frames) == 25 and "gives no more pictures" in err
    else:
        assert (status, err) == (0, "") and len(frames) in (after - 1, after)
