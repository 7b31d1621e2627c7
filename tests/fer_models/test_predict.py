"""Prediction on real photos, from Python and from the command line."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import films
import photos
from fer_data.emotions import EMOTIONS
from fer_data.errors import ImageError, UserError
from fer_data.faces import crop
from fer_models import hub
from fer_models.cli import main
from fer_models.films.stream import EmotionStream
from fer_models.predict import EmotionPredictor, load
from fer_models.results import FacePrediction

pytestmark = pytest.mark.usefixtures("one_detector")


def test_each_face_has_box_score_and_seven_probabilities(predictor: EmotionPredictor):
    found = predictor(photos.crowd())
    assert len(found) == 4
    for one in found:
        assert tuple(one.probabilities) == EMOTIONS and sum(one.probabilities.values()) == pytest.approx(1, abs=1e-5)
        assert one.emotion == max(one.probabilities, key=one.probabilities.get)
        assert 0.7 < one.face.score <= 1


def test_path_bytes_and_array_agree(predictor: EmotionPredictor, tmp_path: Path):
    path = tmp_path / "Grüße an alle.png"
    path.write_bytes(photos.encode(photos.astronaut()))
    answers = [predictor(path), predictor(str(path)), predictor(path.read_bytes()), predictor(photos.astronaut())]
    with Image.open(path) as image:
        answers.append(predictor(image))
    assert all(answer == answers[0] for answer in answers) and len(answers[0]) == 1


def test_a_pillow_image_is_turned_upright_and_its_cutouts_are_white(predictor: EmotionPredictor):
    with Image.open(BytesIO(photos.oriented(photos.astronaut(), 6))) as sideways:
        assert predictor(sideways) == predictor(photos.oriented(photos.astronaut(), 6))
    see_through = Image.fromarray(np.dstack([photos.astronaut(), np.zeros((512, 512), np.uint8)]))
    assert predictor(see_through) == []
    with pytest.raises(ImageError, match=r"more than 50\.3 megapixels"):
        predictor(Image.new("L", (10_000, 6_000)))


def test_a_list_gives_a_list_of_the_same_answers(predictor: EmotionPredictor, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("fer_models.predict._AT_ONCE", 3)
    pictures = [photos.crowd(), photos.faceless(), photos.encode(photos.astronaut()), photos.small_faces()[0]] * 2
    answers = predictor(pictures)
    assert [len(answer) for answer in answers[:4]] == [4, 0, 1, 1] and len(answers) == 8 and predictor([]) == []
    for picture, answer in zip(pictures[:4], answers[-4:], strict=True):
        same(predictor(picture), answer)


def same(one: list[FacePrediction], other: list[FacePrediction]) -> None:
    for a, b in zip(one, other, strict=True):
        assert np.allclose(a.face.box, b.face.box, atol=0.5)
        assert np.allclose(list(a.probabilities.values()), list(b.probabilities.values()), atol=1e-3)


def test_boxes_of_ones_own(predictor: EmotionPredictor):
    picture = photos.crowd()
    found = predictor(picture)
    own = predictor.predict_boxes(picture, [np.array(one.face.box) for one in found])
    same(found, own)  # but for how they lean, which is little
    unturned = predictor.classify([crop(picture, one.face, align=False) for one in found])
    assert np.allclose([list(one.probabilities.values()) for one in own], unturned, atol=1e-6)
    assert predictor.predict_boxes(picture, []) == [] and own[0].to_dict()["score"] == 1
    for box in (
        [1, 2, 3],
        [10, 10, 10, 50],
        [50, 10, 10, 50],
        [600, 0, 700, 90],
        [0, 0, float("nan"), 9],
        [-1e9, 0, 1e9, 9],
        ["a"] * 4,
    ):
        with pytest.raises(ImageError, match=re.escape("the box [")):
            predictor.predict_boxes(picture, [box])


@pytest.mark.parametrize(
    "array", [np.zeros((9, 9, 4), np.uint8), np.zeros((9, 9)), np.zeros((0, 9), np.uint8), None, 7]
)
def test_what_is_no_picture_is_a_sentence(predictor: EmotionPredictor, array: object):
    with pytest.raises(ImageError):
        predictor(array)
    with pytest.raises(ImageError):
        list(predictor.stream([array]))


def test_eight_threads_get_the_answers_of_one(folder: Path):
    shared = EmotionPredictor(hub.load(str(folder)))  # makes its detector when it is needed, by whichever thread
    pictures = [photos.astronaut(), photos.crowd(), photos.faceless(), photos.small_faces()[0]] * 4
    alone = [EmotionPredictor(hub.load(str(folder)), photos.detector())(picture) for picture in pictures[:4]] * 4
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(shared, pictures)) == alone


def test_a_stream_gives_each_frame_its_number_time_and_tracked_faces(predictor: EmotionPredictor):
    frames = [films.scene(), *films.walk(6)]
    results = list(predictor.stream(iter(frames), fps=10, smooth=0, detect_every=1))
    assert [(each.frame, each.time) for each in results] == [(i, i / 10) for i in range(7)]
    assert [[face.track for face in each.faces] for each in results] == [[], *[[1]] * 6]
    same(predictor(frames[6]), list(results[6].faces))
    timed = list(predictor.stream([(5 + i, frame) for i, frame in enumerate(frames)], batch_size=4))
    assert [each.time for each in timed] == [5, 6, 7, 8, 9, 10, 11]
    told = timed[6].to_dict()
    assert set(told) == {"frame", "time", "faces"} and told["faces"][0]["track"] == 1
    json.dumps(told)


def test_a_streams_settings_out_of_range_are_sentences(predictor: EmotionPredictor):
    for setting in ({"fps": 0}, {"smooth": -1}, {"detect_every": 0}, {"side": 1}, {"batch_size": 0}):
        with pytest.raises(UserError, match=next(iter(setting))):
            list(predictor.stream([films.scene()], **setting))


def test_a_stream_waits_for_nothing_unless_it_may(predictor: EmotionPredictor):
    def shown(batch_size: int) -> list[int]:
        given: list[int] = []
        frames = (given.append(i) or frame for i, frame in enumerate(films.walk(7)))
        return [len(given) for _ in predictor.stream(frames, batch_size=batch_size)]

    assert shown(1) == [1, 2, 3, 4, 5, 6, 7] and shown(3) == [3, 3, 3, 6, 6, 6, 7]


def test_two_viewers_share_a_predictor_and_nothing_else(predictor: EmotionPredictor):
    one, other = EmotionStream(predictor, smooth=5.0), EmotionStream(predictor, smooth=5.0)
    for i, frame in enumerate(films.walk(4)):
        assert [face.track for face in one.update(frame, i / 10)] == [1]
    late, fresh = one.update(films.walk(5)[-1]), other.update(films.walk(5)[-1])
    assert [face.track for face in (*late, *fresh)] == [1, 1]


def test_a_sideways_phone_photo_gives_the_same_as_the_upright_one(predictor: EmotionPredictor):
    upright, sideways = (predictor(photos.oriented(photos.astronaut(), way))[0] for way in (1, 6))
    assert np.allclose(list(upright.probabilities.values()), list(sideways.probabilities.values()), atol=0.02)
    assert np.allclose(upright.face.box, sideways.face.box, atol=4)


def test_predicting_is_cropping_and_classifying(predictor: EmotionPredictor):
    picture = photos.astronaut()
    one = predictor(picture)[0]
    by_hand = predictor.classify([crop(picture, one.face)])[0]
    assert np.allclose(list(one.probabilities.values()), by_hand, atol=1e-6)


def test_batches_do_not_change_the_answer(predictor: EmotionPredictor):
    faces = list(photos.small_faces()[:20])
    assert np.allclose(predictor.classify(faces, batch_size=1), predictor.classify(faces, batch_size=7), atol=1e-6)
    assert predictor.classify([]).shape == (0, 7)


def test_load_takes_a_name(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FER_CHECKPOINTS", str(folder.parent))
    assert len(load("small")(photos.astronaut())) == 1


def predict(capsys: pytest.CaptureFixture[str], *argv: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main(["predict", *map(str, argv)])
    said = capsys.readouterr()
    return int(caught.value.code or 0), said.out, said.err


def test_json_is_one_object_a_photo_and_line(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    files = {
        "vier.jpg": photos.encode(photos.crowd(), "JPEG"),
        "coffee.png": photos.encode(photos.faceless()),
        "dot.png": photos.encode(np.zeros((1, 1, 3), np.uint8)),
        **{name: content for name, (content, _) in photos.hostile().items()},
        "bomb.png": photos.png_bomb(),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    status, out, _ = predict(capsys, *(tmp_path / name for name in files), "--model", folder, "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert status == 1 and [Path(row["file"]).name for row in rows] == list(files)
    assert [len(row["faces"]) for row in rows[:3]] == [4, 0, 0] and not any(row["error"] for row in rows[:3])
    assert all(row["error"] and not row["faces"] for row in rows[3:])
    face = rows[0]["faces"][0]
    assert set(face) == {"box", "score", "emotion", "probabilities"} and len(face["box"]) == 4
    assert set(face["probabilities"]) == set(EMOTIONS)


def test_no_face_is_an_answer_not_an_error(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "coffee.png").write_bytes(photos.encode(photos.faceless()))
    status, out, err = predict(capsys, tmp_path / "coffee.png", "--model", folder)
    assert status == 0 and out.endswith("coffee.png: no face found\n") and err == ""


@pytest.mark.parametrize("name", photos.hostile())
def test_a_hostile_file_is_a_sentence(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str):
    content, words = photos.hostile()[name]
    (tmp_path / name).write_bytes(content)
    status, out, err = predict(capsys, tmp_path / name, "--model", folder)
    assert status == 1 and out == "" and words in err and name in err and "Traceback" not in err


def test_text_names_each_face(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "crowd.png").write_bytes(photos.encode(photos.crowd()))
    _, out, _ = predict(capsys, tmp_path / "crowd.png", "--model", folder)
    assert "4 faces" in out and len(re.findall(r"at \(\d+, \d+\)-\(\d+, \d+\)", out)) == 4


def test_saved_copies_bear_boxes_and_no_metadata(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "me.jpg").write_bytes(photos.oriented(photos.astronaut(), 6))
    argv = [tmp_path / "a" / "me.jpg", tmp_path / "b" / "me.jpg", "--model", folder, "--save", tmp_path / "out"]
    assert predict(capsys, *argv)[0] == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"me-faces.png", "me-faces-2.png"}
    with Image.open(tmp_path / "out" / "me-faces.png") as copy:
        assert copy.size == (512, 512) and not copy.getexif()
        pixels = np.asarray(copy, int)
    assert np.abs(pixels - photos.astronaut()).max(2).mean() > 1  # something was drawn


def test_the_way_left_is_shown_on_a_terminal_beside_the_answers(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "coffee.png").write_bytes(photos.encode(photos.faceless()))
    assert "Predicting" not in predict(capsys, tmp_path / "coffee.png", "--model", folder)[2]
    monkeypatch.setenv("FORCE_COLOR", "1")
    _, out, err = predict(capsys, tmp_path / "coffee.png", "--model", folder, "--json")
    assert json.loads(out)["faces"] == [] and "Predicting" in err and "100%" in err


def test_unknown_model_and_unwritable_folder(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    status, _, err = predict(capsys, "x.jpg", "--model", "nomodel")
    assert status == 1 and "nomodel" in err
    (tmp_path / "file").write_text("")
    status, _, err = predict(capsys, "x.jpg", "--model", folder, "--save", tmp_path / "file")
    assert status == 1 and "--save" in err
