"""ONNX: the same answers as torch's, in the same places, and files that don't belong are refused."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from skimage import data

import export
from fer_data.errors import UserError
from fer_data.faces import crop
from fer_models import hub
from fer_models.backends import OnnxBackend, backend_of
from fer_models.card import card_of
from fer_models.cli import main
from fer_models.generate import load_generator
from fer_models.networks import NETWORKS
from fer_models.onnx_export import difference, examples, write_onnx
from fer_models.predict import EmotionPredictor, load

pytestmark = pytest.mark.usefixtures("one_detector")

PUBLISHED = Path(__file__).parents[2] / "checkpoints" / "cnn"


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the published cnn without its ONNX files, and make them anew as the command line does."""
    folder = tmp_path_factory.mktemp("checkpoints") / "cnn"
    shutil.copytree(PUBLISHED, folder, ignore=shutil.ignore_patterns("*.onnx"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "INT8_POINTS", 100)  # drawn faces and a busy machine say nothing about what 8 bits cost
        patch.setattr(export, "one_face_speedup", lambda _: 2.0)
        export.main([str(folder), "--format", "onnx", "--data", "synthetic:700"])
    return folder


@pytest.fixture
def spoilt(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "cnn"))


def save(folder: Path, model: str, config: dict[str, Any]) -> Path:
    torch.manual_seed(0)
    network = NETWORKS[model](**config)
    about = {"model": model, "network_config": config, "preprocess": hub.input_of(network).to_dict()}
    hub.save_checkpoint(folder, network, about, "# card")
    return folder


def test_answers_are_torchs_for_any_number_of_faces(exported: Path):
    checkpoint = hub.load(str(exported))
    assert difference(checkpoint, backend_of(checkpoint, "onnx")) < 1e-4
    assert isinstance(backend_of(checkpoint), OnnxBackend), "auto takes it on a CPU"
    eight_bits = difference(checkpoint, backend_of(checkpoint, "onnx-int8"))
    assert 1e-4 < eight_bits < 2, "rounded, and the same network"


def test_the_file_tells_what_it_wants_and_where_it_comes_from(exported: Path):
    model = onnx.load(exported / hub.ONNX)
    told = {entry.key: entry.value for entry in model.metadata_props}
    config = json.loads((exported / hub.CONFIG).read_text())
    assert json.loads(told["preprocess"]) == config["preprocess"] and json.loads(told["labels"]) == config["labels"]
    assert [given.name for given in model.graph.input] == ["image"] and told["model"] == "cnn"
    assert config["onnx"]["max_error"] < 1e-4 and config["onnx"]["int8"]["speedup"] > 0
    assert "model.onnx" in (exported / hub.CARD).read_text()
    assert hub.load(str(exported)).config["metrics"] == hub.load(str(PUBLISHED)).config["metrics"]


def test_a_card_without_calibration_leaves_that_part_out(exported: Path):
    config = hub.load(str(exported)).config
    told, untold = (card_of("cnn", config | other) for other in ({}, {"calibration": None}))
    parts = {card: [line for line in card.splitlines() if line.startswith("## ")] for card in (told, untold)}
    assert parts[told] == ["## Figures", "## Calibration", "## Training", "## ONNX", "## Limits"]
    assert parts[untold] == ["## Figures", "## Training", "## ONNX", "## Limits"]


def test_8_bits_are_published_only_where_they_pay(exported: Path, spoilt: Path, monkeypatch: pytest.MonkeyPatch):
    told = json.loads((exported / hub.CONFIG).read_text())["onnx"]["int8"]
    assert told["published"] and told["verdict"].startswith("published: ") and (exported / hub.ONNX_INT8).is_file()
    assert export.one_face_speedup(hub.load(str(exported)), rounds=3) > 0
    monkeypatch.setattr(export, "INT8_POINTS", -100)
    refused = export.add_int8(hub.load(str(spoilt)), spoilt, "synthetic:700")
    assert not refused["published"] and refused["verdict"].startswith("not published: ")
    assert not (spoilt / hub.ONNX_INT8).exists()


def test_a_photo_gets_the_same_probabilities_on_every_way(exported: Path, capsys: pytest.CaptureFixture[str]):
    photo = data.astronaut()  # type: ignore[no-untyped-call]
    rows = [load(str(exported), backend=name)(photo)[0].probabilities for name in ("torch", "onnx", "auto")]
    path = exported.parent / "astronaut.png"
    Image.fromarray(photo).save(path)
    for name in ("torch", "onnx"):
        with pytest.raises(SystemExit):
            main(["predict", str(path), "--model", str(exported), "--backend", name, "--json"])
        rows.append(json.loads(capsys.readouterr().out)["faces"][0]["probabilities"])
    for row in rows[1:]:
        assert row == pytest.approx(rows[0], abs=1e-3)


def test_eight_threads_share_a_predictor(exported: Path):
    predictor = load(str(exported), backend="onnx")
    photo = data.astronaut()  # type: ignore[no-untyped-call]
    face = crop(photo, predictor.detector.detect([photo])[0][0])
    faces = [np.roll(face, shift, 1) for shift in range(32)]
    alone = [predictor.classify([face]) for face in faces]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda face: predictor.classify([face]), faces))
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


def test_a_generator_answers_alike_whether_it_looks_at_the_label_or_not(tmp_path: Path):
    for model in ("cgan", "dcgan"):
        folder = save(tmp_path / model, model, {"width": 4, "latent_dim": 8})
        assert write_onnx(folder) < 1e-4
        ours, theirs = (load_generator(str(folder), backend=name).sample([3] * 5, seed=1) for name in ("torch", "onnx"))
        assert np.abs(ours.astype(int) - theirs).max() <= 1


@pytest.mark.parametrize(
    ("name", "device", "words"),
    [
        ("tensorrt", "cpu", r"no backend 'tensorrt': choose one of auto, torch, onnx, onnx-int8"),
        ("onnx", "cuda", r"runs on the CPU alone"),
    ],
)
def test_what_can_not_be_had_is_a_sentence(exported: Path, name: str, device: str, words: str):
    with pytest.raises(UserError, match=words):
        EmotionPredictor(hub.load(str(exported)), device=device, backend=name)


def test_a_file_that_is_missing_damaged_or_of_other_weights_is_a_sentence(spoilt: Path):
    checkpoint = hub.load(str(spoilt))
    (spoilt / hub.ONNX).write_bytes((spoilt / hub.ONNX).read_bytes()[:5000])
    with pytest.raises(hub.CheckpointError, match=r"model\.onnx is damaged"):
        backend_of(checkpoint, "onnx")
    (spoilt / hub.ONNX).unlink()
    with pytest.raises(hub.CheckpointError, match=r"there is no .*model\.onnx: make it with .*--format onnx"):
        backend_of(checkpoint, "onnx")
    assert backend_of(checkpoint)(**examples(checkpoint, 2)).shape == (2, 7), "auto takes torch"


def test_a_file_of_other_weights_is_refused(spoilt: Path):
    checkpoint = hub.load(str(spoilt))
    with torch.no_grad():
        next(checkpoint.network.parameters()).mul_(2)
    hub.save_checkpoint(spoilt, checkpoint.network, checkpoint.config, "# card")
    with pytest.raises(hub.CheckpointError, match=r"other weights than model\.safetensors"):
        backend_of(hub.load(str(spoilt)))


def test_a_run_has_no_onnx():
    checkpoint = hub.load(str(PUBLISHED))
    run = hub.Checkpoint("run", checkpoint.network, checkpoint.preprocess, checkpoint.config)
    with pytest.raises(UserError, match="needs a published checkpoint, which run is not"):
        backend_of(run, "onnx")


@pytest.mark.parametrize("options", [["target", "--format", "onnx"], ["--format", "safetensors"]])
def test_a_target_is_for_runs_alone(options: list[str], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stop:
        export.main([str(PUBLISHED), *options])
    assert stop.value.code == 1 and "give a target for a run" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("model", NETWORKS)
def test_every_network_can_be_had_as_onnx(model: str, tmp_path: Path):
    assert write_onnx(save(tmp_path / model, model, {})) < 1e-4
