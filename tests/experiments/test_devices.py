"""Two real processes (gloo): the same weights on both, and what one process would have learned."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from fer_models.networks import CLASSIFIERS

ROOT = Path(__file__).parents[2]
SCRIPT = str(Path(__file__).with_name("two_processes.py"))
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


def options_of(folder: Path, model: str, devices: int) -> list[str]:
    options = ["--model", model, *SMALL[model], "--data", "synthetic:140", "--devices", str(devices)]
    options += ["--accelerator", "cpu", "--run_dir", str(folder), "--name", f"{model}{devices}"]
    return [*options, *(["--dropout", "0"] if model in CLASSIFIERS else [])]


def start(command: list[str], **env: str) -> subprocess.Popen[str]:
    paths = os.pathsep.join([str(ROOT / "experiments"), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, **env, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)


def ends(*started: subprocess.Popen[str]) -> list[tuple[int, str, float]]:
    """Wait for all, and give (rank, digest of the weights, loss) of each process that trained."""
    told = ""
    for process in started:
        said, errors = process.communicate(timeout=500)
        assert process.returncode == 0, errors[-3000:]
        told += said
    assert told.count("best val/") == 1  # one process speaks
    found = re.findall(r"RANK (\d+) (\w+) ([\d.]+)", told)
    return sorted((int(rank), digest, float(loss)) for rank, digest, loss in found)


def run(folder: Path, model: str, devices: int, *more: str, **env: str) -> list[tuple[int, str, float]]:
    """Train on this machine."""
    return ends(start([sys.executable, SCRIPT, *options_of(folder, model, devices), *more], **env))


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


def free_port() -> str:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return str(found.getsockname()[1])


@pytest.mark.slow
def test_two_machines_by_torchrun(tmp_path: Path):
    torchrun = [str(Path(sys.executable).with_name("torchrun")), "--nnodes", "2", "--nproc-per-node", "1"]
    torchrun += ["--master-addr", "127.0.0.1", "--master-port", free_port()]
    train = [SCRIPT, *options_of(tmp_path, "cnn", 1), "--num_nodes", "2", "--max_epochs", "1", "--batch_size", "16"]
    one, two = ends(*(start([*torchrun, "--node-rank", rank, *train]) for rank in "01"))
    assert (one[0], two[0]) == (0, 1) and one[1] == two[1]


@pytest.mark.slow
def test_two_machines_by_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The variables that srun sets, without Slurm; what Lightning left when an older job's time was up stays unread."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hpc_ckpt_1.ckpt").write_bytes(b"of another run")
    slurm = {"SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "fer", "SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "1"}
    slurm |= {"SLURM_NNODES": "2", "SLURM_LOCALID": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    train = [sys.executable, SCRIPT, *options_of(tmp_path, "cnn", 1), "--max_epochs", "1", "--batch_size", "16"]
    ranks = [{"SLURM_PROCID": rank, "SLURM_NODEID": rank} for rank in "01"]
    one, two = ends(*(start([*train, "--num_nodes", "2"], **slurm, **rank) for rank in ranks))
    assert (one[0], two[0]) == (0, 1) and one[1] == two[1]
    wrong = start([*train, "--name", "wrong", "--devices", "2"], **slurm, **ranks[0])
    assert (
        "Lightning refuses these options: You set `devices=2`" in wrong.communicate(timeout=500)[1]
        and wrong.returncode == 1
    )
    alone = start([*train, "--name", "alone"], **slurm, **ranks[0], SLURM_STEP_NUM_TASKS="2")
    assert "error: srun started 2 tasks" in alone.communicate(timeout=500)[1] and alone.returncode == 1
