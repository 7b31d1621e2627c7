"""The whole path on drawn faces: train, judge, export, load, predict; each by the command a user types."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

import evaluate
import export
import train
from fer_data.synthetic import synthetic_table
from fer_models import hub
from fer_models.judging.evaluation import predict_faces
from fer_models.networks import NETWORKS
from fer_models.registry import task_of

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "experiments/configs").glob("*.yaml"))
SMALL = ["--model", "cnn", "--data", "synthetic:700", "--widths", "[8,16,32,32]", "--accelerator", "cpu"]
SMALL += ["--augment", "light", "--batch_size", "32", "--lr", "0.05", "--ema_decay", "0.9"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a small network for real."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FER_CACHE", str(folder / "cache"))
        train.main([*SMALL, "--max_epochs", "6", "--run_dir", str(folder), "--name", "small"])
    return folder / "cnn" / "small"


@pytest.fixture(scope="module")
def checkpoint(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Export it."""
    target = tmp_path_factory.mktemp("checkpoints") / "small"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FER_CACHE", str(run / "cache"))
        export.main([str(run), str(target), "--data", "synthetic:700"])
    return target


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_leaves_all_that_it_promises(run: Path):
    left = {path.name for path in run.iterdir()}
    assert {"checkpoints", "log", "curves.png", "config.yaml", "run.json"} <= left
    assert {path.name for path in (run / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}


def test_training_learns(run: Path):
    rows = read_csv(run / "log" / "version_0" / "metrics.csv")
    accuracy = [float(row["val/accuracy"]) for row in rows if row["val/accuracy"]]
    assert len(accuracy) == 6 and accuracy[-1] > 0.5 > accuracy[0]


def test_the_saved_config_runs_again(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert yaml.safe_load((run / "config.yaml").read_text())["widths"] == [8, 16, 32, 32]
    train.main(["--config", str(run / "config.yaml"), "--fast_dev_run=true", f"--run_dir={tmp_path}"])
    assert "nothing was saved" in capsys.readouterr().out and not list(tmp_path.iterdir())


def test_same_seed_same_weights(tmp_path: Path):
    for name in ("one", "two"):
        short = ["--max_epochs=1", "--limit_train_batches=4", f"--run_dir={tmp_path}", f"--name={name}", "--mixup=0.2"]
        train.main([*SMALL, *short])
    one, two = (
        hub.load_any(str(tmp_path / "cnn" / name / "checkpoints" / "best.ckpt")).network.state_dict()
        for name in ("one", "two")
    )
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_a_run_that_goes_on_adds_its_time_and_one_that_is_done_stays_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    short = [*SMALL, "--limit_train_batches=4", f"--run_dir={tmp_path}", "--name=one", "--resume=auto"]
    record = tmp_path / "cnn" / "one" / "run.json"

    def files() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in (*record.parent.rglob("*.ckpt"), record)}

    train.main([*short, "--max_epochs=1"])
    last = record.parent / "checkpoints" / "last.ckpt"
    checkpoint = torch.load(last, weights_only=True)
    assert checkpoint["callbacks"]["RunRecord"]["seconds"] > 0
    checkpoint["callbacks"]["RunRecord"]["seconds"] = 1e6
    torch.save(checkpoint, last)
    train.main([*short, "--max_epochs=3"])
    assert 1e6 <= json.loads(record.read_text())["seconds"] < 2e6
    before = files()
    train.main([*short, "--max_epochs=3"])
    assert files() == before
    with pytest.raises(SystemExit):
        train.main([*short, "--max_epochs=1"])
    assert files() == before
    assert "error: Lightning refuses these options: You restored" in capsys.readouterr().err


def test_a_run_goes_on_after_options_were_added(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Its checkpoint doesn't know them, so it was trained as their defaults leave it."""
    short = [*SMALL, "--limit_train_batches=4", f"--run_dir={tmp_path}", "--name=one", "--resume=auto"]
    train.main([*short, "--max_epochs=1"])
    last = tmp_path / "cnn" / "one" / "checkpoints" / "last.ckpt"
    checkpoint = torch.load(last, weights_only=True)
    for settings, key in ((checkpoint["hyper_parameters"], "teacher_weight"),
                          (checkpoint["hyper_parameters"]["network_config"], "dropout")):  # fmt: skip
        del settings[key]
    torch.save(checkpoint, last)
    with pytest.raises(SystemExit):
        train.main([*short, "--max_epochs=2", "--teacher_weight=0.5"])
    assert "trained with teacher_weight 1.0, not 0.5" in capsys.readouterr().err
    train.main([*short, "--max_epochs=2"])
    assert "epoch 2/2" in capsys.readouterr().out


def test_a_distilled_run_tells_its_teachers_and_goes_on_with_the_same_only(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    teacher = tmp_path / "teacher"
    shutil.copytree(run, teacher)
    short = [*SMALL, "--limit_train_batches=4", f"--run_dir={tmp_path}", "--name=one", f"--teacher=[{teacher}]"]
    train.main([*short, "--max_epochs=1"])
    (fact,) = json.loads((tmp_path / "cnn" / "one" / "run.json").read_text())["teachers"]
    assert (fact["name"], fact["model"], fact["pretrained"], fact["ferplus_weight"]) == (str(teacher), "cnn", False, 0)
    export.main([str(tmp_path / "cnn" / "one"), str(tmp_path / "out"), "--data", "synthetic:700"])
    card = (tmp_path / "out" / hub.CARD).read_text()
    assert "trained by distillation" in card and f"- `{teacher}`, a `cnn`; weights {fact['sha256'][:16]}\n" in card
    best = teacher / "checkpoints" / "best.ckpt"
    other = torch.load(best, weights_only=True)
    other["state_dict"]["network.head.bias"] += 1
    torch.save(other, best)
    with pytest.raises(SystemExit):
        train.main([*short, "--max_epochs=2", "--resume=auto"])
    assert "was trained by other teachers" in capsys.readouterr().err


def test_a_run_can_start_from_trained_weights_and_tells_so(
    run: Path, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """At a rate of next to nothing it answers as they do; a network that they don't fit is a sentence."""
    short = [*SMALL, "--limit_train_batches=1", f"--run_dir={tmp_path}", "--name=one", "--max_epochs=1", "--lr=1e-9"]
    train.main([*short, f"--start_from={checkpoint}", "--ema_decay=0"])
    tuned, begun = hub.load_any(str(tmp_path / "cnn" / "one")), hub.load(str(checkpoint))
    for (name, weight), old in zip(tuned.network.named_parameters(), begun.network.parameters(), strict=True):
        assert torch.allclose(weight, old, atol=1e-6), name
    export.main([str(tmp_path / "cnn" / "one"), str(tmp_path / "out"), "--data", "synthetic:700"])
    start = json.loads((tmp_path / "out" / hub.CONFIG).read_text())["training"]["start"]
    card = (tmp_path / "out" / hub.CARD).read_text()
    assert (start["name"], start["model"]) == (str(checkpoint), "cnn")
    assert f"trained from the weights of `{checkpoint}`\non" in card
    assert f"Began with `{checkpoint}`, a `cnn`; weights {start['sha256'][:16]}, whose" in card
    for wrong, words in (
        (["--widths=[4,8,8,8]"], "holds another network: train cnn with the options {'widths'"),
        (["--pretrained=true"], "two starts: choose one"),
        (["--resume=auto", f"--start_from={run}"], "began with other weights"),
    ):
        with pytest.raises(SystemExit):
            train.main([*short, f"--start_from={checkpoint}", *wrong])
        assert words in capsys.readouterr().err


def test_export_holds_what_was_trained(run: Path, checkpoint: Path):
    trained, published = hub.load_any(str(run / "checkpoints" / "best.ckpt")), hub.load(str(checkpoint))
    images = synthetic_table(70, seed=5).images
    assert torch.allclose(predict_faces(trained, images), predict_faces(published, images), atol=5e-3)
    assert {path.name for path in checkpoint.iterdir()} == {hub.WEIGHTS, hub.CONFIG, hub.CARD}


def test_config_json_tells_where_it_comes_from(checkpoint: Path):
    config = json.loads((checkpoint / hub.CONFIG).read_text())
    assert {"model", "network_config", "preprocess", "labels", "metrics", "data_fingerprint", "git_commit"} <= set(
        config
    )
    assert config["training"]["lr"] == 0.05 and config["training"]["seconds"] > 0
    card = (checkpoint / hub.CARD).read_text()
    assert f"{config['metrics']['test']['accuracy']:.4f}" in card and "unknown" not in card


def test_evaluate_prints_one_json_object_that_agrees_with_the_export(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    evaluate.main(["--checkpoint", str(checkpoint), "--data", "synthetic:700", "--json", "--out", str(tmp_path)])
    found = json.loads(capsys.readouterr().out)
    promised = {
        "split",
        "n",
        "accuracy",
        "accuracy_ci",
        "f1_macro",
        "balanced_accuracy",
        "ece",
        "per_class",
        "test_dedup",
    }
    assert promised <= set(found) and found["split"] == "test"
    exported = json.loads((checkpoint / hub.CONFIG).read_text())["metrics"]["test"]
    assert found["accuracy"] == exported["accuracy"] and found["confusion"] == exported["confusion"]


def test_report_agrees_with_itself(checkpoint: Path, tmp_path: Path):
    evaluate.main(["--checkpoint", str(checkpoint), "--data", "synthetic:700", "--tta", "flip", "--out", str(tmp_path)])
    names = [
        "confusion.png",
        "reliability.png",
        "risk_coverage.png",
        "roc.png",
        "mistakes.png",
        "per_class.csv",
        "report.html",
    ]
    assert all((tmp_path / name).stat().st_size > 100 for name in names)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    rows = read_csv(tmp_path / "predictions.csv")
    assert sum(row["label"] == row["answer"] for row in rows) / len(rows) == pytest.approx(metrics["accuracy"])
    page = (tmp_path / "report.html").read_text()
    assert f"{metrics['accuracy']:.4f}" in page and page.count("data:image/png;base64") == 5


def test_a_run_continues_where_it_stopped(run: Path, tmp_path: Path):
    more = [
        "--max_epochs",
        "7",
        "--run_dir",
        str(tmp_path),
        "--name",
        "more",
        "--resume",
        str(run / "checkpoints" / "last.ckpt"),
    ]
    train.main([*SMALL, *more])
    rows = read_csv(tmp_path / "cnn" / "more" / "log" / "version_0" / "metrics.csv")
    assert {int(row["epoch"]) for row in rows} == {6}


@pytest.mark.parametrize(
    ("argv", "status", "words"),
    [
        ([], 2, "--model cnn"),
        (["--model", "cmm"], 2, "cnn"),
        (["--model", "cnn", "--rotat", "1"], 2, "did you mean --rotate?"),
        (["--model", "cnn", "--data", "synthetic:700", "--devices", "99"], 1, "--devices 99"),
        (["--model", "cnn", "--data", "synthetic:700", "--devices", "foo"], 1, "--devices foo"),
        (["--model", "cnn", "--data", "synthetic:700", "--max_epochs", "0"], 1, "--max_epochs is 0"),
        (["--model", "cnn", "--data", "synthetic:700", "--label_smoothing", "2"], 1, "--label_smoothing"),
        (["--model", "cnn", "--data", "synthetic:700", "--batch_size", "0"], 1, "--batch_size"),
        (["--model", "cnn", "--data", "synthetic:700", "--dropout", "2"], 1, "cnn can't be built"),
        (["--model", "cnn", "--data", "synthetic:700", "--widths", "[]"], 1, "cnn can't be built"),
        (["--model", "cnn", "--data", "synthetic:700", "--name", "../../x"], 1, "--name"),
        (["--model", "cnn", "--data", "synthetic:700", "--run_dir", "/dev/null"], 1, "/dev/null"),
        (["--model", "cnn", "--data", "synthetic:700", "--resume", "/etc/passwd"], 1, "/etc/passwd"),
        (["--model", "cnn", "--pretrained"], 1, "no ImageNet weights"),
        (["--model", "cnn", "--precision", "16-mixed", "--accelerator", "cpu"], 1, "16-mixed needs a GPU"),
        (["--model", "cnn", "--data", "no/such/folder"], 1, "no/such/folder"),
        (["--model", "cnn", "--data", "synthetic:700", "--augment", "wild"], 1, "medium"),
        (["--model", "cnn", "--data", "synthetic:700", "--rotate", "-5"], 1, "rotate"),
        (["--model", "cnn", "--data", "synthetic:700", "--resume", "gone.ckpt"], 1, "gone.ckpt"),
        (["--config", "gone.yaml"], 1, "gone.yaml"),
    ],
)
def test_wrong_options_end_with_a_sentence(
    argv: list[str], status: int, words: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as caught:
        train.main(argv)
    said = capsys.readouterr().err
    assert caught.value.code == status and words in said and "Traceback" not in said


@pytest.fixture
def dcgan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Publish a generator that knows nothing, for the encoder that needs one."""
    network = NETWORKS["dcgan"]()
    about = {"model": "dcgan", "network_config": {}, "preprocess": hub.input_of(network).to_dict()}
    hub.save_checkpoint(tmp_path / "dcgan", network, about, "# card")
    monkeypatch.chdir(tmp_path)  # a folder's path is a checkpoint's name, too


@pytest.mark.usefixtures("dcgan")
@pytest.mark.parametrize("model", NETWORKS)
def test_every_model_goes_through_the_trainer(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    train.main(
        ["--model", model, "--data", "synthetic:70", "--batch_size", "8", "--fast_dev_run", "--run_dir", str(tmp_path)]
    )
    assert "nothing was saved" in capsys.readouterr().out


@pytest.mark.parametrize(
    "option",
    [
        ["--sam_rho", "0.05"],
        ["--cutmix", "1"],
        ["--logit_adjustment", "1"],
        ["--precision", "bf16-mixed"],
        ["--optimizer", "adamw"],
        ["--balance", "sampler"],
        ["--augment_on", "device"],
        ["--augment_on", "device", "--data_on", "device", "--mixup", "0.2"],
    ],
)
def test_every_option_of_the_recipe_goes_through_the_trainer(option: list[str]):
    train.main([*SMALL, "--fast_dev_run", "--sam_from", "0", *option])


@pytest.mark.usefixtures("dcgan")
@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_the_configs_name_real_models_and_options(config: Path):
    options = ["--generator", "dcgan"] if config.stem == "dcgan_inverter" else []
    train.main(["--config", str(config), "--data", "synthetic:70", "--batch_size", "4", "--fast_dev_run", *options])


def test_the_command_lines_of_the_sweeps_run():
    """What W&B's agent would start, for the edges of each sweep's parameters."""
    for sweep in (ROOT / "experiments/sweeps").glob("*.yaml"):
        plan = yaml.safe_load(sweep.read_text())
        metric, mode = task_of(sweep.stem).monitor
        assert plan["metric"] == {"name": metric, "goal": f"{mode}imize"} and (ROOT / plan["program"]).is_file()
        fixed = [word for word in plan["command"] if not word.startswith("${") and "max_epochs" not in word]
        for edge in (0, -1):
            chosen = [f"--{key}={edge_of(space, edge)}" for key, space in plan["parameters"].items()]
            train.main(
                [*fixed, *chosen, "--data=synthetic:70", "--batch_size=4", "--fast_dev_run", "--accelerator=cpu"]
            )


def edge_of(space: dict[str, Any], edge: int) -> object:
    return space["values"][edge] if "values" in space else (space["min"], space["max"])[edge]


def test_help_shows_the_options_of_the_model(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as caught:
        train.main(["--model", "cnn", "--help"])
    said = capsys.readouterr().out
    assert caught.value.code == 0
    assert all(word in said for word in ("--dropout", "--lr", "--rotate", "--devices", "degrees"))


def test_export_refuses_other_data(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        export.main([str(run), str(tmp_path / "x"), "--data", "synthetic:350"])
    assert "fingerprint" in capsys.readouterr().err and not (tmp_path / "x").exists()
