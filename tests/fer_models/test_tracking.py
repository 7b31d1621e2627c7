"""Faces keep their numbers while they move, come and go."""

from collections.abc import Iterable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import films
import photos
from fer_data.errors import ImageError, UserError
from fer_data.faces import Face, overlap
from fer_models.films.stream import Smoother
from fer_models.films.tracking import FaceTracker, follow

FPS = 25


class CountingDetector:
    """The real detector; counts the frames that it is shown."""

    def __init__(self) -> None:
        self.searches = 0

    def detect(self, images: list[NDArray[np.uint8]]) -> list[list[Face]]:
        self.searches += len(images)
        return photos.detector().detect(images)


def run(frames: Iterable[NDArray[np.uint8]], **options: float) -> tuple[list[dict[int, Face]], int]:
    """Track through a film; give the faces of each frame, and how many frames were searched."""
    detector = CountingDetector()
    tracker = FaceTracker(detector, **options)
    return [tracker.update(frame, i / FPS) for i, frame in enumerate(frames)], detector.searches


def centre(face: Face) -> NDArray[np.float64]:
    return np.reshape(face.box, (2, 2)).mean(0)


def side(face: Face) -> float:
    return face.box[2] - face.box[0]


def test_a_moving_face_is_followed_without_searching():
    found, searches = run(films.walk(40), detect_every=100)
    assert searches == 1 and all(set(faces) == {1} for faces in found)
    way = np.array([centre(faces[1]) for faces in found])
    truth = way[0] + [(2 * i, 0) for i in range(40)]
    assert np.abs(way - truth).max() < 3
    marks = np.array([faces[1].landmarks for faces in found])
    assert np.abs(marks - marks[0] - (truth - truth[0])[:, None]).max() < 4
    assert len({side(faces[1]) for faces in found}) > 1 and {faces[1].score for faces in found} == {found[0][1].score}


def test_searches_are_rare_and_their_number_is_a_setting():
    frames = films.walk(40)
    assert run(frames, detect_every=5)[1] == 8 and run(frames, detect_every=10)[1] == 4


def test_following_agrees_with_searching_each_frame():
    frames = films.walk(16, step=3)
    rare, often = run(frames, detect_every=5)[0], run(frames, detect_every=1)[0]
    assert all(overlap(a[1].box, b[1].box) > 0.8 for a, b in zip(rare, often, strict=True))


def test_a_face_that_comes_nearer_grows():
    heads = [films.head(round(120 + 3 * i)) for i in range(25)]
    found, searches = run((films.scene((each, 60, 20)) for each in heads), detect_every=100)
    assert searches == 1
    assert side(found[-1][1]) / side(found[0][1]) == pytest.approx(len(heads[-1]) / 120, rel=0.08)


def test_two_faces_keep_their_numbers_while_they_pass():
    frames = [
        films.scene((films.head(90), 10 + 5 * i, 5), (films.other_head(120), 200 - 5 * i, 115)) for i in range(40)
    ]
    found, _ = run(frames)
    assert all(set(faces) == {1, 2} for faces in found)
    up = min(found[0], key=lambda number: centre(found[0][number])[1])
    assert all(centre(faces[up])[1] < 100 for faces in found)
    assert centre(found[-1][up])[0] - centre(found[0][up])[0] == pytest.approx(195, abs=12)


def test_who_leaves_is_gone_and_who_enters_is_new():
    out = [films.scene((films.head(), 150 + 12 * i, 60)) for i in range(20)]
    into = [films.scene((films.head(), -110 + 12 * i, 60)) for i in range(20)]
    found, _ = run([*out, *[films.scene()] * 6, *into])
    assert set(found[0]) == {1} and found[22] == {} and set(found[-1]) == {2}
    assert set().union(*found) == {1, 2}


def test_a_face_hidden_for_a_moment_gets_its_number_back_but_not_after_long():
    seen, hidden = [films.scene((films.head(), 100, 60))] * 10, [films.scene()] * 10
    assert [set(faces) for faces in run(seen + hidden + seen, memory=1.0)[0]][-1] == {1}
    found = run(seen + hidden * 3 + seen, memory=1.0)[0]
    assert found[14] == {} and set(found[-1]) == {2}


def test_a_cut_to_somebody_else_is_a_new_face():
    frames = [films.scene((films.head(), 100, 60))] * 12 + [films.scene((films.other_head(), 100, 60))] * 12
    found, _ = run(frames)
    assert set(found[11]) == {1} and all(set(faces) == {2} for faces in found[12:])


class Script:
    """A detector that finds what it is told to, search by search."""

    def __init__(self, *searches: list[tuple[float, float, float, float]]) -> None:
        self.searches = iter(searches)

    def detect(self, images: list[NDArray[np.uint8]]) -> list[list[Face]]:
        return [[Face(box, 1.0, ()) for box in next(self.searches, [])]]


HERE, NEAR, THERE = (100.0, 80.0, 160.0, 150.0), (105.0, 85.0, 165.0, 155.0), (200.0, 80.0, 260.0, 150.0)
BEYOND = (-50.0, 80.0, 40.0, 170.0)


@pytest.mark.parametrize(
    ("searches", "numbers"),
    [
        ([[HERE], [], [HERE]], [{1}, {1}, {1}]),  # missed once, as MTCNN does
        ([[HERE], [], []], [{1}, {1}, set()]),  # missed twice: something else was followed
        ([[HERE], [THERE], [THERE]], [{1}, {1, 2}, {2}]),  # one left and another came
        ([[HERE], [HERE, THERE], [THERE, HERE]], [{1}, {1, 2}, {1, 2}]),
        ([[HERE, THERE], [THERE, NEAR], [NEAR]], [{1, 2}, {1, 2}, {1, 2}]),
        ([[HERE, NEAR], [HERE], [HERE]], [{1, 2}, {1}, {1}]),  # one face twice
        ([[BEYOND, HERE], [HERE, BEYOND], [HERE]], [{1}, {1}, {1}]),  # one is half outside the picture
    ],
)
def test_what_a_search_finds_is_matched_with_what_was_followed(searches: list, numbers: list[set[int]]):
    tracker, still = FaceTracker(Script(*searches), detect_every=2), films.scene((films.head(), 100, 60))
    found = [set(tracker.update(still, i / FPS)) for i in range(6)]
    assert found[1::2] == numbers


def test_the_best_overlap_is_matched_first():
    tracker, still = FaceTracker(Script([HERE, NEAR], [NEAR, THERE, HERE]), detect_every=1), films.scene()
    before, after = (tracker.update(still, i / FPS) for i in range(2))
    assert {number: face.box for number, face in before.items()} == {1: HERE, 2: NEAR}
    assert {number: face.box for number, face in after.items()} == {1: HERE, 2: NEAR, 3: THERE}


def test_a_large_frame_is_searched_small_and_told_large():
    frame = films.scene((films.head(), 100, 60))
    large = cv2.resize(frame, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    (small_box,), (large_box,) = (run([each], side=320)[0][0].values() for each in (frame, large))
    assert np.allclose(np.array(large_box.box) / 4, small_box.box, atol=3)
    assert np.allclose(np.array(large_box.landmarks) / 4, small_box.landmarks, atol=3)


def test_frames_may_be_gray_and_may_change_their_size():
    frame = films.scene((films.head(), 100, 60))
    gray = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    found, _ = run([gray, gray, cv2.resize(frame, (400, 300)), frame[:40, :40], frame])
    assert [len(faces) for faces in found] == [1, 1, 1, 0, 1]


def test_nobody_is_followed_where_nobody_is():
    found, searches = run([films.scene()] * 20)
    assert found == [{}] * 20 and searches == 4


def test_points_that_do_not_come_back_are_no_following():
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, (240, 320), dtype=np.uint8) for _ in range(2)]
    assert follow(*noise, [Face((100, 60, 160, 130), 1.0, ())]) == [None] and follow(*noise, []) == []


@pytest.mark.parametrize(("name", "value"), [("detect_every", 0), ("side", 10), ("memory", -1)])
def test_settings_out_of_range_are_sentences(name: str, value: float):
    with pytest.raises(UserError, match=name):
        FaceTracker(photos.detector(), **{name: value})


def test_a_frame_that_is_no_picture_is_a_sentence():
    with pytest.raises(ImageError, match="give uint8"):
        FaceTracker(photos.detector()).update(np.zeros((240, 320, 4), np.uint8), 0.0)


def happy(share: float) -> NDArray[np.float32]:
    return np.array([0, 0, 0, share, 0, 0, 1 - share], np.float32)


@pytest.mark.parametrize("fps", [5, 30])
def test_smoothing_takes_its_time_whatever_the_frame_rate(fps: int):
    smooth = Smoother(0.6)
    smooth(1, 0.0, happy(0))
    for i in range(1, round(0.6 * fps) + 1):
        value = smooth(1, i / fps, happy(1))
    assert value[3] == pytest.approx(1 - np.exp(-1), abs=1e-4) and value.sum() == pytest.approx(1)


def test_smoothing_is_off_at_zero_apart_by_face_and_starts_at_once():
    assert Smoother(0)(1, 1.0, happy(1))[3] == 1 == Smoother(9)(1, 0.0, happy(1))[3]
    smooth = Smoother(1.0)
    smooth(1, 0.0, happy(1))
    assert smooth(2, 0.1, happy(0))[3] == 0 and smooth(1, 0.0, happy(0))[3] == 1
    smooth.forget(100.0)
    assert smooth(1, 100.1, happy(0))[3] == 0


def test_smoothing_out_of_range_is_a_sentence():
    with pytest.raises(UserError, match="smooth"):
        Smoother(-1)
