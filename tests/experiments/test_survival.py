"""Runs that are killed, interrupted or fed nonsense: they go on, and end as if nothing had happened."""

import multiprocessing
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import train
from fer_models.hub import load_run
from fer_models.training.callbacks import read_metrics

EPOCHS = 6
RUN = ["--model", "cnn", "--data", "synthetic:350", "--widths", "[8,16,16,16]", "--batch_size", "32", "--mixup", "0.2"]
RUN += ["--accelerator", "cpu", "--ema_decay", "0.9", "--max_epochs", str(EPOCHS), "--warmup_epochs", "1"]


def start(folder: Path, *more: str) -> multiprocessing.Process:
    """Train in a process of its own, whose temporary files lie on another file system than its checkpoints."""

    def work() -> None:
        if Path("/dev/shm").is_dir():  # Linux has it
            os.environ["TMPDIR"] = "/dev/shm"
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs inherit it ignored
        train.main([*RUN, "--run_dir", str(folder), "--name", "run", *more])

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    return process


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_run(folder / "cnn/run/checkpoints/last.ckpt").network.state_dict()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """Train to the end, and tell how long it took."""
    folder = tmp_path_factory.mktemp("undisturbed")
    begin = time.monotonic()
    process = start(folder)
    process.join()
    assert process.exitcode == 0
    return folder, time.monotonic() - begin


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_at_random_moments_it_ends_as_if_undisturbed(
    undisturbed: tuple[Path, float], tmp_path: Path, kills: int
):
    calm, seconds = undisturbed
    rng = np.random.default_rng(kills)
    for _ in range(kills):
        process = start(tmp_path, "--resume", "auto")
        process.join(timeout=float(rng.uniform(0, min(seconds, 2 * seconds / kills + 1))))
        os.kill(process.pid, signal.SIGKILL) if process.exitcode is None else None
        process.join()
    process = start(tmp_path, "--resume", "auto")
    process.join()
    assert process.exitcode == 0
    expected, found = weights(calm), weights(tmp_path)
    assert all(torch.equal(expected[key], found[key]) for key in expected)
    assert read_metrics(tmp_path / "cnn/run/log") == read_metrics(calm / "cnn/run/log")


def test_a_damaged_last_checkpoint_is_skipped_with_a_word(
    undisturbed: tuple[Path, float], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    process = start(tmp_path, "--max_epochs", "2")
    process.join()
    checkpoints = tmp_path / "cnn/run/checkpoints"
    content = (checkpoints / "last.ckpt").read_bytes()
    (checkpoints / "last.ckpt").write_bytes(content[: len(content) // 2])
    train.main([*RUN, "--max_epochs", "2", "--run_dir", str(tmp_path), "--name", "run", "--resume", "auto"])
    said = capsys.readouterr().out
    assert "skipped: " in said and "last.ckpt" in said and "resuming from" in said and "best.ckpt" in said


def test_a_run_whose_patience_ran_out_trains_on_with_more_patience_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    options = ["--lr", "1e-9", "--ema_decay", "0", "--max_epochs", "20", "--run_dir", str(tmp_path), "--name", "run"]

    def epochs(patience: int) -> int:
        train.main([*RUN, *options, "--resume", "auto", "--patience", str(patience)])
        return len(read_metrics(tmp_path / "cnn/run/log")["val/accuracy"])

    stopped = epochs(1)
    assert 2 <= stopped < 20
    assert "patience 1 ran out; to go on, give more; best val/accuracy" in capsys.readouterr().out
    assert epochs(1) == stopped
    assert "patience 1 ran out" in capsys.readouterr().out
    assert epochs(2) > stopped


@pytest.mark.parametrize(("how", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stop_signal_leaves_a_checkpoint_and_a_status(tmp_path: Path, how: signal.Signals, status: int):
    process = start(tmp_path, "--max_epochs", "1000")
    last = tmp_path / "cnn/run/checkpoints/last.ckpt"
    deadline = time.monotonic() + 60
    while not last.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    os.kill(process.pid, how)
    process.join(timeout=60)
    if process.exitcode is None:
        process.kill()
    assert process.exitcode == status
    assert load_run(last)


@pytest.mark.parametrize(
    ("change", "words"), [(["--lr", "0.02"], "lr 0.1, not 0.02"), (["--data", "synthetic:280"], "--data")]
)
def test_going_on_with_other_settings_or_data_is_refused(
    undisturbed: tuple[Path, float], capsys: pytest.CaptureFixture[str], change: list[str], words: str
):
    with pytest.raises(SystemExit) as caught:
        train.main([*RUN, "--run_dir", str(undisturbed[0]), "--name", "run", "--resume", "auto", *change])
    assert caught.value.code == 1 and words in capsys.readouterr().err


def test_a_loss_that_is_no_number_stops_the_run_with_its_cause(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as caught:
        train.main([*RUN, "--lr", "1e6", "--ema_decay", "0", "--run_dir", str(tmp_path)])
    assert caught.value.code == 1 and "the loss became" in capsys.readouterr().err


def test_resume_of_nothing_starts_and_of_rubbish_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    process = start(tmp_path, "--resume", "auto", "--max_epochs", "1")
    process.join()
    assert process.exitcode == 0
    for path in (tmp_path / "cnn/run/checkpoints").iterdir():
        path.write_bytes(b"rubbish")
    with pytest.raises(SystemExit):
        train.main([*RUN, "--run_dir", str(tmp_path), "--name", "run", "--resume", "auto"])
    assert "all checkpoints" in capsys.readouterr().err
