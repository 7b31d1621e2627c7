"""The runs behind the record figures, by the very command that a GPU is given."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fer_models import hub

ROOT = Path(__file__).parents[2]
SHORT = ["--max_epochs=1", "--limit_train_batches=2", "--batch_size=16", "--precision=32-true", "--accelerator=cpu"]


def records(data: Path, out: Path) -> str:
    environment = {**os.environ, "PYTHON": sys.executable, "OUT": str(out), "OMP_NUM_THREADS": "1"}
    command = ["bash", str(ROOT / "experiments/records.sh"), str(data), *SHORT]
    run = subprocess.run(command, cwd=out.parent, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    return run.stdout


@pytest.mark.slow
def test_records_trains_judges_and_exports_all_and_trains_nothing_twice(ferplus: Path, tmp_path: Path):
    out = tmp_path / "records"
    said = records(ferplus, out)
    seeds = json.loads((out / "reports/resnet-test-ten-crop/metrics.json").read_text())
    assert seeds["members"] == ["seed0", "seed1", "seed2"] and len(seeds["alone"]["accuracy"]["values"]) == 3
    assert said.count("each alone  accuracy") == 6
    published = {folder.name: hub.load(str(folder)) for folder in (out / "checkpoints").iterdir()}
    assert set(published) == {
        "resnet-seed0", "resnet-seed1", "resnet-seed2", "cnn", "vgg19", "efficientnet", "resnet-ferplus"
    }  # fmt: skip
    assert [published[f"resnet-seed{k}"].config["training"]["seed"] for k in range(3)] == [0, 1, 2]
    assert len(published["resnet-ferplus"].labels) == 8
    assert published["cnn"].config["training"]["teacher"] == [f"{out}/runs/resnet/seed{k}" for k in range(3)]

    runs = sorted(out.glob("runs/*/*/checkpoints/*.ckpt"))
    trained = {path: path.stat().st_mtime_ns for path in runs}
    times = {path: json.loads(path.read_text())["seconds"] for path in out.glob("runs/*/*/run.json")}
    assert len(runs) == 14 and all(times.values())
    records(ferplus, out)
    assert {path: path.stat().st_mtime_ns for path in runs} == trained
    assert {path: json.loads(path.read_text())["seconds"] for path in times} == times
