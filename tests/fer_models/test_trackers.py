"""What Weights & Biases and TensorBoard are shown by real runs, without an account, read back from their files."""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import wandb
from lightning import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.demos.boring_classes import BoringModel
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import train
from fer_data.fer2013 import load
from fer_models.hub import load_run
from fer_models.judging.evaluation import evaluate
from fer_models.judging.report import worst_mistakes
from fer_models.training.trackers import BestInTracker, loggers

RUN = ["--model", "cnn", "--data", "synthetic:140", "--widths", "[8,16,16,16]", "--batch_size", "32"]
RUN += ["--accelerator", "cpu", "--ema_decay", "0.9", "--name", "run"]


@pytest.fixture(autouse=True)
def without_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Keep W&B off the network and out of the home folder, and quiet."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    for name in ("NETRC", "WANDB_CONFIG_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.delenv("WANDB_DATA_DIR")  # the run sets it, and monkeypatch takes it back
    yield
    wandb.teardown()  # it would keep the variables for the next test


def fit(folder: Path, tracker: str, epochs: int, *options: str) -> Path:
    train.main([*RUN, "--run_dir", str(folder), "--logger", tracker, "--max_epochs", str(epochs), *options])
    return folder / "cnn" / "run"


def artifacts(folder: Path) -> dict[str, dict[str, Path]]:
    """Read what an offline W&B run would send: the files of its artifacts, by kind and by name in the artifact.

    It is stored as protobuf in LevelDB's log format: parts of records, in blocks of 32 KiB.
    """
    (stored,) = folder.glob("*.wandb")
    found = (record.artifact for record in records(stored.read_bytes()) if record.HasField("artifact"))
    return {part.type: {file.path: Path(file.local_path) for file in part.manifest.contents} for part in found}


def records(content: bytes) -> Iterator[Any]:
    from wandb.proto.wandb_internal_pb2 import Record

    place, parts = 7, b""
    while place < len(content):
        if 32768 - place % 32768 < 7:
            place += 32768 - place % 32768
        _, size, kind = struct.unpack_from("<IHB", content, place)
        parts += content[place + 7 : place + 7 + size]
        place += 7 + size
        if kind in (1, 4):  # whole, or the last part
            yield Record.FromString(parts)
            parts = b""


def mistakes_of(checkpoint: Path) -> tuple[list[tuple[int, str, float, str]], Any]:
    table = load("synthetic:140")
    _, probabilities, faces = evaluate([load_run(checkpoint)], table, "val")
    return worst_mistakes(probabilities, torch.from_numpy(table.labels[faces]).long()), table.images[faces]


def test_wandb_offline_is_shown_confusion_mistakes_and_checkpoint_and_goes_on_when_resumed(tmp_path: Path):
    run = fit(tmp_path, "wandb", 1)
    fit(tmp_path, "wandb", 2, "--resume", "auto")
    wandb.teardown()  # W&B's own process may still be writing
    first, folder = sorted(run.glob("wandb/offline-run-*"))
    assert {path.name.rpartition("-")[2] for path in (first, folder)} == {(run / "wandb_id").read_text()}
    (confusion,) = folder.glob("files/media/images/best/confusion_*.png")
    with Image.open(confusion) as picture:
        assert picture.width > 2 * 400

    best, waiting = run / "checkpoints/best.ckpt", artifacts(folder)
    assert waiting["model"]["best.ckpt"].read_bytes() == best.read_bytes()
    assert all(path.is_relative_to(run) for files in waiting.values() for path in files.values())
    table = json.loads(waiting["run_table"]["best/mistakes.table.json"].read_text())
    mistakes, images = mistakes_of(best)
    assert mistakes != mistakes_of(best.with_name("last.ckpt"))[0]
    assert table["columns"] == ["face", "answer", "probability", "label"]
    for (face, *told), (i, answer, probability, label) in zip(table["data"], mistakes, strict=True):
        assert told == [answer, pytest.approx(probability), label]
        with Image.open(waiting["run_table"][face["path"]]) as picture:
            assert np.array_equal(np.asarray(picture), images[i])


def test_tensorboard_is_shown_confusion_and_mistakes_and_goes_on_when_resumed(tmp_path: Path):
    run = fit(tmp_path, "tensorboard", 1)
    fit(tmp_path, "tensorboard", 2, "--resume", "auto")
    events = EventAccumulator(str(run / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("val/accuracy")] == [3, 7]
    for tag in ("best/confusion", "best/mistakes"):
        assert [(event.step, event.width > 1000) for event in events.Images(tag)] == [(4, True), (8, True)]


def test_without_an_account_a_sentence_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("WANDB_MODE", "online")
    with pytest.raises(SystemExit) as caught:
        fit(tmp_path, "wandb", 1)
    said = capsys.readouterr().err
    assert caught.value.code == 1 and "wandb login" in said and "WANDB_MODE=offline" in said and "Trace" not in said


def test_other_tasks_are_left_alone(tmp_path: Path):
    checkpoints = ModelCheckpoint(tmp_path / "checkpoints", monitor="train_loss", save_on_train_epoch_end=True)

    class Other(BoringModel):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            found = super().training_step(batch, batch_idx)
            self.log("train_loss", found["loss"])
            return found

    trainer = Trainer(
        max_epochs=1,
        limit_train_batches=2,
        limit_val_batches=0,
        accelerator="cpu",
        logger=loggers("tensorboard", tmp_path, "other"),
        callbacks=[checkpoints, BestInTracker()],
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Other())
    assert Path(checkpoints.best_model_path).is_file()
    assert EventAccumulator(str(tmp_path / "tensorboard")).Reload().Tags()["images"] == []
