"""Checkpoint folders: round trip, and every way in which one can be wrong."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from fer_models import hub
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
