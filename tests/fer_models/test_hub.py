"""Checkpoint folders: round trip, and every way in which one can be wrong."""

import hashlib
import json
import pickle
import re
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from types import MappingProxyType
from typing import ClassVar
from urllib.parse import unquote, urlparse

import pytest
import torch
from huggingface_hub import constants

from fer_models import hub
from fer_models.card import card_of
from fer_models.networks import NETWORKS


def test_round_trip_by_path_and_by_name(folder: Path, monkeypatch: pytest.MonkeyPatch):
    by_path = hub.load(str(folder))
    monkeypatch.setenv("FER_CHECKPOINTS", str(folder.parent))
    by_name = hub.load("small")
    images = torch.randn(2, 1, 48, 48)
    assert torch.equal(by_path.network(images), by_name.network(images))
    assert not by_path.network.training and by_path.preprocess.size == 48
    assert hub.available() == ["small"]


def test_weights_are_the_saved_ones_to_half_precision(folder: Path):
    torch.manual_seed(0)
    original = NETWORKS["cnn"](widths=[4, 8, 8, 8])
    for key, value in hub.load(str(folder)).network.state_dict().items():
        if "running" not in key and "num_batches" not in key:
            assert torch.allclose(value, original.state_dict()[key], atol=1e-3)


def test_unknown_name_lists_the_known(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FER_CHECKPOINTS", str(folder.parent))
    with pytest.raises(hub.CheckpointError, match=r"'smal'.*has: small"):
        hub.load("smal")


def spoil_config(folder: Path, **changes: object) -> None:
    config = json.loads((folder / hub.CONFIG).read_text())
    (folder / hub.CONFIG).write_text(json.dumps({**config, **changes}))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda f: (f / hub.WEIGHTS).write_bytes((f / hub.WEIGHTS).read_bytes()[:-100]), "damaged, or made by"),
        (lambda f: (f / hub.WEIGHTS).unlink(), "damaged, or made by"),
        (lambda f: (f / hub.WEIGHTS).write_bytes(pickle.dumps(print)), "damaged"),
        (lambda f: (f / hub.CONFIG).write_text("{"), "config.json is damaged"),
        (lambda f: (f / hub.CONFIG).write_text("{}"), "damaged"),
        (lambda f: spoil_config(f, model="os.system"), "names the network 'os.system'; known are cnn"),
        (lambda f: spoil_config(f, format_version=99), "format 99"),
        (lambda f: spoil_config(f, labels=["sad"]), "orders the emotions"),
        (lambda f: spoil_config(f, network_config={"widths": [4, 8, 8, 16]}), "damaged, or made by"),
        (lambda f: spoil_config(f, network_config={"width": 3}), "damaged, or made by"),
        (lambda f: spoil_config(f, network_config={"dropout": 4}), "dropout"),
        (lambda f: spoil_config(f, network_config={"widths": []}), "damaged, or made by"),
        (lambda f: spoil_config(f, model=[]), "names the network []"),
        (lambda f: spoil_config(f, preprocess={}), "damaged, or made by"),
        (lambda f: spoil_config(f, preprocess={"size": 48, "channels": 1, "mean": [0.5], "std": [0]}), "std above 0"),
        (
            lambda f: spoil_config(f, preprocess={"size": 64, "channels": 1, "mean": [0], "std": [1]}),
            "not what cnn takes",
        ),
    ],
)
def test_a_spoilt_checkpoint_is_a_sentence(folder: Path, spoil: Callable[[Path], object], words: str):
    spoil(folder)
    with pytest.raises(hub.CheckpointError) as caught:
        hub.load(str(folder))
    assert words in str(caught.value) and str(folder) in str(caught.value)


class Evil:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path("evil-was-here"),))


@pytest.mark.parametrize("content", [Evil(), {"state_dict": {}}, [1]])
def test_a_strangers_ckpt_is_refused_and_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: object):
    monkeypatch.chdir(tmp_path)
    torch.save(content, tmp_path / "best.ckpt")
    with pytest.raises(hub.CheckpointError, match=r"best\.ckpt is not a usable"):
        hub.load_any(str(tmp_path / "best.ckpt"))
    assert not Path("evil-was-here").exists()


def test_missing_ckpt_is_a_sentence():
    with pytest.raises(hub.CheckpointError, match=r"nowhere\.ckpt"):
        hub.load_any("nowhere.ckpt")


class FakeHub(BaseHTTPRequestHandler):
    """As much of the Hub as a download asks for; each revision is named by its commit's hash."""

    files: ClassVar[dict[str, bytes]] = {}
    asked: ClassVar[list[str]] = []
    commits: ClassVar[dict[str, str]] = {"main": "a" * 40, "v1": "b" * 40}

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlparse(self.path).path)
        self.asked.append(path)
        if found := re.fullmatch(r"/api/models/anna/faces/revision/(\w+)", path):
            self.answer(json.dumps({"id": "anna/faces", "sha": self.commits[found[1]], "siblings": []}).encode())
        elif re.fullmatch(r"/api/models/anna/faces/tree/\w{40}", path):
            listed = [{"type": "file", "path": name, "size": len(x), "oid": name} for name, x in self.files.items()]
            self.answer(json.dumps(listed).encode())
        elif found := re.fullmatch(r"/anna/faces/resolve/(\w{40})/(.+)", path):
            content = self.files[found[2]]
            etag = hashlib.sha1(content).hexdigest()
            self.answer(content, {"X-Repo-Commit": found[1], "ETag": f'"{etag}"'})
        else:
            self.answer(b"{}", {"X-Error-Code": "RepoNotFound"}, 404)

    def answer(self, content: bytes, headers: Mapping[str, str] = MappingProxyType({}), status: int = 200) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HTTPServer]:
    """Serve a Hub, and send what asks for the real one there."""
    server = HTTPServer(("127.0.0.1", 0), FakeHub)
    Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    monkeypatch.setattr(FakeHub, "files", {})
    monkeypatch.setattr(FakeHub, "asked", [])
    hub._fetch.cache_clear()
    yield server
    hub._fetch.cache_clear()
    server.shutdown()
    server.server_close()


LITTER = {"pytorch_model.bin": pickle.dumps(print), "app.py": b"boom", ".gitattributes": b""}


@pytest.mark.parametrize(("prefix", "name"), [("", "faces"), ("small/", "small")])
def test_checkpoints_come_from_a_repository_of_the_hub_once(
    folder: Path, the_hub: HTTPServer, monkeypatch: pytest.MonkeyPatch, prefix: str, name: str
):
    FakeHub.files = {**{f"{prefix}{path.name}": path.read_bytes() for path in folder.iterdir()}, **LITTER}
    monkeypatch.setenv("FER_CHECKPOINTS", "hf://anna/faces")
    assert hub.available() == [name] and hub.load(name).name == name
    assert {path.name for path in hub.folder_of(name).iterdir() if path.is_file()} == {
        hub.CARD,
        hub.CONFIG,
        hub.WEIGHTS,
    }
    assert not [path for path in FakeHub.asked if path.rpartition("/")[2] in LITTER]
    before = len(FakeHub.asked)
    assert torch.equal(*(hub.load(one).network(torch.ones(1, 1, 48, 48)) for one in (name, str(folder))))
    assert len(FakeHub.asked) == before


def test_a_revision_can_be_named_and_loaded_without_the_variable(folder: Path, the_hub: HTTPServer):
    FakeHub.files = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert hub.load("hf://anna/faces@v1").name == "faces"
    assert {path.split("/")[4] for path in FakeHub.asked if "/resolve/" in path} == {"b" * 40}


def test_what_was_fetched_is_there_without_a_network(
    folder: Path, the_hub: HTTPServer, monkeypatch: pytest.MonkeyPatch
):
    FakeHub.files = {path.name: path.read_bytes() for path in folder.iterdir()}
    hub.load("hf://anna/faces")
    hub._fetch.cache_clear()
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    assert hub.load("hf://anna/faces").name == "faces"


@pytest.mark.parametrize(
    ("place", "why"), [("hf://anna/nothing", "404"), ("hf://anna", "config.json|404"), ("hf://../x", "Repo id")]
)
def test_a_repository_that_cant_be_had_is_a_sentence(
    the_hub: HTTPServer, monkeypatch: pytest.MonkeyPatch, place: str, why: str
):
    monkeypatch.setenv("FER_CHECKPOINTS", place)
    with pytest.raises(hub.CheckpointError, match=f"{place} can't be fetched .*({why})") as caught:
        hub.available()
    assert "\n" not in str(caught.value)


def test_published_cards_say_what_their_configurations_say():
    published = {name: folder for name, folder in hub.checkpoints().items() if (folder / hub.CARD).is_file()}
    assert {"cnn", "fd_encoder", "cgan"} <= set(published)
    for name, folder in published.items():
        assert (folder / hub.CARD).read_text() == card_of(name, hub.describe(name)), name
