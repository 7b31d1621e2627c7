"""Two real processes (gloo): the same weights on both, and what one process would have learned."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fer_models.networks import CLASSIFIERS

ROOT = Path(__file__).parents[2]
SMALL = {
    "cnn": ["--widths", "[8,16,16,16]"],
    "resnet": ["--width", "8"],
    "vgg19": [],
    "efficientnet": [],
    "vae": ["--width", "4"],
    "dcgan": ["--width", "4", "--discriminator_width", "4"],
    "cgan": ["--width", "4", "--discriminator_width", "4", "--r1", "1"],
    "acgan": ["--width", "4", "--discriminator_width", "4"],
}


def run(folder: Path, model: str, devices: int, *more: str, **env: str) -> list[tuple[int, str, float]]:
    """Train, and give (rank, digest of the weights, loss) of each process."""
    command = [sys.executable, str(Path(__file__).with_name("two_processes.py")), "--model", model, *SMALL[model]]
    command += ["--data", "synthetic:140", "--devices", str(devices), "--accelerator", "cpu"]
    command += ["--dropout", "0"] if model in CLASSIFIERS else []
    command += ["--run_dir", str(folder), "--name", f"{model}{devices}", *more]
    paths = os.pathsep.join([str(ROOT / "experiments"), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, **env, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=500, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = re.findall(r"RANK (\d+) (\w+) ([\d.]+)", done.stdout)
    assert done.stdout.count("best val/") == 1  # one process speaks
    return sorted((int(rank), digest, float(loss)) for rank, digest, loss in found)


@pytest.mark.parametrize(
    "model", [pytest.param(name, marks=[] if name in ("cnn", "dcgan") else pytest.mark.slow) for name in SMALL]
)
def test_both_processes_end_with_the_same_weights(tmp_path: Path, model: str):
    options = ["--max_epochs", "1", "--batch_size", "16", "--logger", "tensorboard"]
    options += ["--mixup", "0.2"] if model in CLASSIFIERS else []
    one, two = run(tmp_path, model, 2, *options)
    assert (one[0], two[0]) == (0, 1) and one[1] == two[1]
    assert len(list(tmp_path.rglob("events.out.tfevents.*"))) == 1  # one process tells the tracker


@pytest.mark.slow
def test_frozen_blocks_work_on_two_processes(tmp_path: Path):
    freeze = ["--unfreeze_epoch", "1", "--unfreeze_from", "-2", "--max_epochs", "2", "--batch_size", "16"]
    one, two = run(tmp_path, "cnn", 2, *freeze)
    assert one[1] == two[1]


def test_two_processes_learn_what_one_learns_from_the_same_batches(tmp_path: Path):
    options = ["--max_epochs", "2", "--augment", "strong", "--lr", "0.02", "--ema_decay", "0"]
    alone = run(tmp_path, "cnn", 1, *options, "--batch_size", "32", FER_TEST_LAYER_NORM="1")
    shared = run(tmp_path, "cnn", 2, *options, "--batch_size", "16", FER_TEST_LAYER_NORM="1")
    assert shared[0][2] == pytest.approx(alone[0][2], abs=2e-4)
