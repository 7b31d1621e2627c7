"""The endpoints as programs call them, and as strangers misuse them."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import BytesIO
from pathlib import Path
from threading import Thread
from typing import Any
from urllib import request
from urllib.error import HTTPError

import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

import app
import films
import photos
from fer_demo import safety
from fer_demo.models import Models
from fer_models import cli
from fer_models.films.video import open_film
from fer_models.predict import load


@pytest.fixture(scope="module")
def client(address: str) -> Client:
    return Client(address, verbose=False)


@pytest.fixture
def detect(client: Client, tmp_path: Path) -> Callable[..., Any]:
    """Send the bytes of a file to /detect."""

    def send(content: bytes, name: str = "photo.png", classifier: str = "cnn") -> Any:
        path = tmp_path / name
        path.write_bytes(content)
        return client.predict(handle_file(path), classifier, api_name="/detect")

    return send


def two() -> np.ndarray:
    """Two faces, uint8 (512, 1024, 3)."""
    return np.hstack([photos.astronaut(), photos.astronaut()[:, ::-1]])


def refusal(call: Callable[..., Any], *arguments: Any) -> str:
    """Give the sentence that a call is refused with."""
    with pytest.raises(AppError) as caught:
        call(*arguments)
    sentence = str(caught.value)
    assert sentence.endswith(".") and "Traceback" not in sentence and "/tmp" not in sentence
    return sentence


def test_endpoints_are_three_and_say_what_they_do(client: Client):
    told = client.view_api(return_format="dict", print_info=False)
    assert set(told["named_endpoints"]) == {"/detect", "/generate", "/video"} and not told["unnamed_endpoints"]
    for name, start in {"/detect": "Find the faces", "/generate": "Make faces", "/video": "Follow the faces"}.items():
        assert told["named_endpoints"][name]["description"].startswith(start)


def test_detect_gives_what_the_predictor_gives(detect: Callable[..., Any], models: Models):
    picture, told = detect(photos.encode(two()))
    expected = models.predictor("cnn")(two())
    assert [face["emotion"] for face in told["faces"]] == [face.emotion for face in expected]
    assert [face["box"] for face in told["faces"]] == [face.to_dict()["box"] for face in expected]
    assert len(expected) == 2 and told["seconds"] > 0
    with Image.open(picture) as image:
        assert image.size == (1024, 512)


def test_a_photo_gets_the_same_probabilities_on_the_page_as_elsewhere(
    detect: Callable[..., Any], checkpoints: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    photo, name = tmp_path / "two.png", str(checkpoints / "cnn")
    photo.write_bytes(photos.encode(two()))
    rows = [[face["probabilities"] for face in detect(photo.read_bytes())[1]["faces"]]]
    rows += [[face.probabilities for face in load(name, backend=way)(photo)] for way in ("torch", "onnx")]
    with pytest.raises(SystemExit):
        cli.main(["predict", str(photo), "--model", name, "--json"])
    rows.append([face["probabilities"] for face in json.loads(capsys.readouterr().out)["faces"]])
    for faces in rows[1:]:
        assert len(faces) == 2
        for found, expected in zip(faces, rows[0], strict=True):
            assert found == pytest.approx(expected, abs=1e-3)


def test_detect_turns_upright_and_passes_no_metadata_on(detect: Callable[..., Any]):
    picture, told = detect(photos.oriented(photos.astronaut()), "phone.jpg")
    assert len(told["faces"]) == 1
    with Image.open(picture) as image:
        assert not image.getexif() and "exif" not in image.info


def test_detect_of_a_cup_finds_no_face(detect: Callable[..., Any]):
    assert detect(photos.encode(photos.faceless()))[1]["faces"] == []


def test_generate_gives_the_seeds_faces_with_what_they_are_read_as(client: Client, models: Models):
    sheet, told = client.predict("vae", "happy", 3, 7, 0.5, api_name="/generate")
    assert [face["asked"] for face in told["faces"]] == ["happy"] * 3 and told["seed"] == 7
    with Image.open(sheet) as image:
        first = np.asarray(image.convert("L"))[:48, :48]
    assert np.abs(first.astype(int) - models.generator("vae").sample([3] * 3, 7, 0.5)[0]).max() <= 1
    _, plain = client.predict("dcgan", "happy", 1, 0, 1.0, api_name="/generate")
    assert plain["faces"][0]["asked"] is None


def test_video_gives_a_film_a_timeline_and_a_table(client: Client, tmp_path: Path):
    frames = [films.scene((films.head(), 10 + 2 * i, 60)) for i in range(20)]
    path = films.write(tmp_path / "walk.mp4", frames)
    film, timeline, table, said = client.predict(handle_file(path), "cnn", api_name="/video")
    film = film["video"] if isinstance(film, dict) else film
    with open_film(film) as made:
        assert 8 <= len(list(made.frames())) <= 20
    with Image.open(timeline) as image:
        assert image.format == "PNG"
    rows = Path(table).read_text().splitlines()
    assert rows[0].startswith("file,frame,time,track") and rows[1].startswith("walk.mp4,0,")
    assert "1 face," in said


def test_hostile_files_are_refused_in_a_sentence_and_the_page_goes_on(detect: Callable[..., Any], tmp_path: Path):
    for name, (content, why) in photos.hostile().items():
        assert why.removeprefix("is ").split(";")[0] in refusal(detect, content, name), name
    assert "more than 24 megapixels" in refusal(detect, photos.png_bomb())
    assert "more than 20 MB" in refusal(detect, photos.encode(photos.astronaut()) + bytes(safety.PHOTO_BYTES))
    assert len(detect(photos.encode(photos.astronaut()))[1]["faces"]) == 1


@pytest.mark.parametrize("size", [(1, 1), (1, 10_000), (10_000, 1)])
def test_odd_sizes_are_answered(detect: Callable[..., Any], size: tuple[int, int]):
    assert detect(photos.encode(Image.new("L", size)))[1]["faces"] == []


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_damaged_files_are_answered_or_refused_in_a_sentence(detect: Callable[..., Any], kind: str):
    small = Image.fromarray(photos.astronaut()).resize((96, 96))
    for mutant in photos.mutants(photos.encode(small, kind), 8, seed=1):
        try:
            detect(mutant, f"photo.{kind.lower()}")
        except AppError as error:
            assert str(error).endswith(".") and "Traceback" not in str(error)


def test_names_that_are_no_choice_are_refused(detect: Callable[..., Any], client: Client):
    assert "not in the list" in str(_error(detect, photos.encode(photos.astronaut()), "a.png", "../cnn"))
    for arguments in (("vae", "happy", 65, 0, 1.0), ("vae", "happy", 1, -1, 1.0), ("vae", "bored", 1, 0, 1.0)):
        assert _error(client.submit(*arguments, api_name="/generate").result)


def _error(call: Callable[..., Any], *arguments: Any) -> AppError:
    with pytest.raises(AppError) as caught:
        call(*arguments)
    assert "Traceback" not in str(caught.value)
    return caught.value


def post(address: str, data: list[Any]) -> str:
    """Call /detect by hand, as a stranger can; give the answer's text."""
    body = json.dumps({"data": data}).encode()
    url = f"{address}gradio_api/call/detect"
    ask = request.Request(url, body, {"Content-Type": "application/json"})
    with request.urlopen(ask) as answer:
        event = json.loads(answer.read())["event_id"]
    with request.urlopen(f"{url}/{event}") as answer:
        return answer.read().decode()


@pytest.fixture
def elsewhere() -> Iterator[tuple[str, list[str]]]:
    """Another server: its address, and what it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/photo.png", asked
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("meta", [{"meta": {"_type": "gradio.FileData"}}, {}])
def test_no_address_is_fetched(address: str, elsewhere: tuple[str, list[str]], meta: dict[str, Any]):
    url, asked = elsewhere
    for photo in ({"path": url, **meta}, {"path": "x", "url": url, **meta}, {"path": url, "url": url, **meta}):
        assert "event: error" in post(address, [photo, "cnn"])
    post(address, [None, {"path": url, **meta}])
    assert not asked


@pytest.mark.parametrize("meta", [{"meta": {"_type": "gradio.FileData"}}, {}])
def test_no_file_of_the_server_is_read(address: str, tmp_path: Path, meta: dict[str, Any]):
    path = tmp_path / "secret.png"
    path.write_bytes(photos.encode(photos.astronaut()))
    answer = post(address, [{"path": str(path), **meta}, "cnn"])
    assert "event: error" in answer and "faces" not in answer


def test_a_bomb_in_a_data_url_is_refused_before_it_is_decoded(address: str):
    data = base64.b64encode(photos.png_bomb(9_000)).decode()
    answer = post(address, [{"url": f"data:image/png;base64,{data}", "path": None}, "cnn"])
    assert "more than 24 megapixels" in answer
    assert "data is damaged" in post(address, [{"url": "data:image/png;base64,é", "path": None}, "cnn"])


def test_requests_that_are_too_large_are_cut_off(address: str, monkeypatch: pytest.MonkeyPatch):
    def send(path: str, kind: str, body: bytes) -> int:
        with pytest.raises(HTTPError) as caught:
            request.urlopen(request.Request(f"{address}gradio_api/{path}", body, {"Content-Type": kind}))
        with caught.value as answer:
            return answer.code

    call = json.dumps({"data": ["x" * safety.CALL_BYTES, "cnn"]}).encode()
    assert send("call/detect", "application/json", call) == 413
    monkeypatch.setattr(safety, "FILM_BYTES", 100_000)
    head = b"--x\r\nContent-Disposition: form-data; name=files; filename=a.png\r\n\r\n"
    assert send("upload", "multipart/form-data; boundary=x", head + bytes(2_000_000) + b"\r\n--x--") == 413


def test_what_goes_wrong_inside_is_not_told(
    detect: Callable[..., Any], models: Models, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def fail(name: str) -> None:
        raise RuntimeError(f"the secret of {name}")

    monkeypatch.setattr(models, "predictor", fail)
    sentence = refusal(detect, photos.encode(photos.astronaut()))
    assert sentence.startswith("Something went wrong on the server") and "secret" not in sentence
    assert "the secret of cnn" in caplog.text


def test_who_comes_when_the_queue_is_full_is_told_so(full: str):
    with pytest.raises(HTTPError) as caught:
        post(full, [None, "cnn"])
    with caught.value as answer:
        assert answer.code == 429 and answer.headers["Retry-After"] == "60"
        said = json.loads(answer.read())["detail"]
    assert said == "The page is busy: 1 are waiting already. Try again in a minute."


def test_old_files_are_swept_away_but_not_the_examples(models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    page = app.build(models)
    page.launch(prevent_thread_lock=True, quiet=True)
    examples = [path for path in tmp_path.rglob("*") if path.is_file()]
    made = safety.temporary_folder() / "film.mp4"
    made.write_bytes(b"film")
    safety.sweep(page, age=60)
    assert made.is_file()
    safety.sweep(page, age=0)
    safety.sweep(page, age=0)
    assert not made.parent.exists() and all(path.is_file() for path in examples) and len(examples) == 2
    page.close(verbose=False)


def test_the_page_sweeps_while_it_runs_and_at_its_end(models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(safety, "SWEEP_SECONDS", 0.05)
    monkeypatch.setattr(safety, "KEEP_SECONDS", 0.5)
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    page = app.build(models)
    address = app.launch(page, prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    uploaded = []
    with httpx.Client() as client:
        for number in range(60):  # while it sweeps; Gradio's own way stops at that
            files = {"files": ("photo.png", number.to_bytes(2))}
            uploaded += client.post(f"{address}gradio_api/upload", files=files).json()
    for _ in range(600):
        if not any(Path(path).exists() for path in uploaded):
            break
        time.sleep(0.05)
    assert not [path for path in uploaded if Path(path).exists()]
    last = safety.temporary_folder()
    page.close(verbose=False)
    assert not last.exists()


def test_only_so_many_visitors_are_remembered(models: Models, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(app, "SESSIONS", 3)
    page = app.build(models)
    address = app.launch(page, prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    for _ in range(6):
        post(address, [None, "cnn"])
    assert 1 <= len(page.state_holder.session_data) <= 3
    page.close(verbose=False)


def test_files_of_the_server_are_not_served(address: str):
    for path in ("/etc/hostname", str(Path(__file__).resolve())):
        with pytest.raises(HTTPError) as caught:
            request.urlopen(f"{address}gradio_api/file={path}")
        with caught.value as answer:
            assert answer.code in (403, 404)


@pytest.mark.parametrize("content", [b"not a film", b"", photos.encode(photos.astronaut())])
def test_films_that_are_none_are_refused(client: Client, tmp_path: Path, content: bytes):
    path = tmp_path / "holiday.mp4"
    path.write_bytes(content)
    assert "holiday.mp4" in refusal(lambda: client.predict(handle_file(path), "cnn", api_name="/video"))


def test_shrunk_photos_keep_their_shape():
    with BytesIO(photos.encode(np.zeros((100, 4000, 3), np.uint8))) as file:
        image = safety._shrunk(np.asarray(Image.open(file)))
    assert image.shape == (40, 1600, 3)
