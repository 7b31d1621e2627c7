"""Judging published checkpoints by the commands a user types: ensembles, comparison, verification, speed."""

import copy
import csv
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import compare
import evaluate
import export
import train
import verify
from benchmarks import training
from fer_data.synthetic import synthetic_table
from fer_models import hub
from fer_models.judging import evaluation
from fer_models.metrics import classification
from fer_models.networks import NETWORKS
from fer_models.networks.base import Network

DATA = ["--data", "synthetic:350"]
ROOT = Path(__file__).parents[2]
REAL = os.environ.get("FER2013_DIR")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a small network for a moment and export it as ``first``; give the folder of checkpoints."""
    home = tmp_path_factory.mktemp("judging")
    small = ["--model", "cnn", "--widths", "[8,16,16,16]", "--batch_size", "32", "--max_epochs", "3"]
    train.main([*small, *DATA, "--accelerator", "cpu", "--ema_decay", "0", "--run_dir", str(home), "--name", "run"])
    export.main([str(home / "cnn" / "run"), str(home / "checkpoints" / "first"), *DATA])
    return home / "checkpoints"


@pytest.fixture
def checkpoints(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a copy of the folder with one more network, ``second``, which knows nothing."""
    folder = Path(shutil.copytree(published, tmp_path / "checkpoints"))
    torch.manual_seed(0)
    config = {"width": 16, "input_size": 32}
    network = NETWORKS["resnet"](**config)
    about = {"model": "resnet", "network_config": config, "preprocess": hub.input_of(network).to_dict()}
    hub.save_checkpoint(folder / "second", network, about, "# card")
    monkeypatch.setenv("FER_CHECKPOINTS", str(folder))
    return folder


def edit(folder: Path, how: Callable[[dict[str, Any]], object]) -> None:
    config = json.loads((folder / hub.CONFIG).read_text())
    how(config)
    (folder / hub.CONFIG).write_text(json.dumps(config))


def change(node: Any, place: tuple[str | int, ...], by: float) -> None:
    for key in place[:-1]:
        node = node[key]
    node[place[-1]] += by


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def refusal(main: Callable[[list[str]], None], argv: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command that must fail, and give what it said."""
    with pytest.raises(SystemExit) as caught:
        main(argv)
    said = capsys.readouterr().err
    assert caught.value.code == 1 and "Traceback" not in said
    return said


def test_evaluate_judges_an_ensemble_and_says_of_what(
    checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    evaluate.main(["--checkpoint", "first", "--checkpoint", "second", *DATA, "--tta", "ten-crop"])
    told = capsys.readouterr().out
    assert told.startswith("first+second on PrivateTest, ten-crop:\n")
    out = tmp_path / "reports" / "first+second-test-ten-crop"
    found = json.loads((out / "metrics.json").read_text())
    assert (found["members"], found["tta"]) == (["first", "second"], "ten-crop")
    page = (out / "report.html").read_text()
    assert "mean of the probabilities of first, second" in page and "ten crops" in page
    assert found["alone"] is None and "each alone" not in told  # they are no runs of one recipe


def test_evaluate_tells_mean_and_spread_of_runs_that_differ_by_their_seed(
    checkpoints: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    about = {key: hub.load("first").config[key] for key in ("model", "network_config", "preprocess")}
    torch.manual_seed(1)
    hub.save_checkpoint(checkpoints / "other", NETWORKS[about["model"]](**about["network_config"]), about, "# card")
    names = ["first", "other"]
    evaluate.main([*(f"--checkpoint={name}" for name in names), *DATA, "--out", str(tmp_path / "out")])
    told = capsys.readouterr().out
    runs = json.loads((tmp_path / "out" / "metrics.json").read_text())["alone"]["accuracy"]
    each = [evaluation.evaluate([hub.load(name)], synthetic_table(350))[0]["accuracy"] for name in names]
    assert runs["values"] == each and each[0] != each[1]
    assert f"each alone  accuracy {runs['mean']:.4f} ± {runs['sd']:.4f}" in told
    assert f"± {runs['sd']:.4f}" in (tmp_path / "out" / "report.html").read_text()


def test_export_records_the_looks(checkpoints: Path):
    first = hub.load("first")
    metrics = first.config["metrics"]
    assert [metrics[key]["tta"] for key in ("val", "test", "test_tta")] == ["none", "none", "flip"]
    assert evaluation.evaluate([first], synthetic_table(350), "test", "flip")[0] == metrics["test_tta"]


def test_export_calibrates_and_the_report_shows_it(
    checkpoints: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    told = hub.load("first").config["calibration"]
    assert (
        told["temperature"] > 0
        and told["fitted_on"] == "PublicTest"
        and (told["val"]["n"], told["test"]["n"]) == (43, 43)
    )
    argv = ["--checkpoint", "first", *DATA, "--out", str(tmp_path)]
    evaluate.main(argv)
    assert "as served, with temperature" in capsys.readouterr().out
    found = json.loads((tmp_path / "metrics.json").read_text())
    assert (
        found["calibration"].items() >= told["test"].items()
        and "Risk and coverage" in (tmp_path / "report.html").read_text()
    )
    evaluate.main([*argv, "--tta", "flip"])
    assert json.loads((tmp_path / "metrics.json").read_text())["calibration"] is None


def test_a_checkpoint_is_judged_again_without_touching_its_weights(checkpoints: Path):
    first = checkpoints / "first"
    weights, before = (first / hub.WEIGHTS).read_bytes(), json.loads((first / hub.CONFIG).read_text())
    edit(first, lambda config: config.pop("calibration"))
    edit(first, lambda config: config.update(role="shown"))
    (first / "model.other").write_bytes(b"stays")
    export.main([str(first), str(first), *DATA])
    assert (first / hub.WEIGHTS).read_bytes() == weights and (first / "model.other").read_bytes() == b"stays"
    after = json.loads((first / hub.CONFIG).read_text())
    assert after == {**before, "role": "shown", "git_commit": after["git_commit"]}


def test_compare_puts_classifiers_side_by_side_and_leaves_the_rest_out(
    checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    class Painter(Network):
        task, input_size = "painting", 48

    monkeypatch.setitem(NETWORKS, "painter", Painter)
    about = {"model": "painter", "network_config": {}, "preprocess": hub.input_of(Painter()).to_dict()}
    hub.save_checkpoint(checkpoints / "gan", Painter(), about, "# card")
    for name in ("encoder", "torn"):
        shutil.copytree(checkpoints / "first", checkpoints / name)
    edit(checkpoints / "encoder", lambda config: config.update(role="encoder"))
    weights = checkpoints / "torn" / hub.WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-100])

    compare.main([*DATA, "--seconds", "0.01", "--out", str(tmp_path / "out")])
    said = capsys.readouterr()
    assert [line.split()[0] for line in said.err.splitlines() if "left out" in line] == ["encoder", "gan", "torn"]
    rows = {row["checkpoint"]: row for row in read_csv(tmp_path / "out" / "compare.csv")}
    assert set(rows) == {"first", "second"}
    told = hub.load("first").config
    first = rows["first"]
    assert float(first["accuracy"]) == told["metrics"]["test"]["accuracy"]
    assert float(first["f1_fear"]) == told["metrics"]["test"]["per_class"]["fear"]["f1"]
    assert int(first["parameters"]) == told["parameters"]
    assert int(first["file_bytes"]) == (checkpoints / "first" / hub.WEIGHTS).stat().st_size
    assert float(first["ms_batch1"]) > 0 and float(first["ms_batch64"]) > 0 and first["machine"]
    text = (tmp_path / "out" / "compare.md").read_text()
    accuracy = f"{100 * told['metrics']['test']['accuracy']:.1f}"
    assert f"| first | cnn | {accuracy} (" in text and first["machine"] in text and accuracy in said.out
    assert (tmp_path / "out" / "compare.png").read_bytes().startswith(b"\x89PNG")


def test_compare_takes_recorded_figures_with_or_without_intervals(
    checkpoints: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    def strip(config: dict[str, Any]) -> None:
        config["metrics"]["test"] = {k: v for k, v in config["metrics"]["test"].items() if not k.endswith("_ci")}

    shutil.copytree(checkpoints / "first", checkpoints / "old")
    edit(checkpoints / "old", strip)
    compare.main(["--from-config", "--seconds", "0.01", "--out", str(tmp_path)])
    assert "second is left out: its config.json tells no whole figures" in capsys.readouterr().err
    first, old = sorted(read_csv(tmp_path / "compare.csv"), key=lambda row: row["checkpoint"])
    assert first["accuracy"] == old["accuracy"] and first["accuracy_low"] and not old["accuracy_low"]


def test_compare_with_nothing_to_compare_is_a_sentence(checkpoints: Path, capsys: pytest.CaptureFixture[str]):
    assert "no checkpoint 'gone'" in refusal(compare.main, ["gone", "--from-config"], capsys)
    assert "there is no classifier" in refusal(compare.main, ["second", "--from-config"], capsys)


def test_macs_are_those_counted_by_hand():
    convolution = torch.nn.Conv2d(1, 8, 3, padding=1, bias=False)
    network = torch.nn.Sequential(convolution, torch.nn.Flatten(), torch.nn.Linear(8 * 6 * 6, 7))
    assert compare.macs(network, (1, 6, 6)) == 6 * 6 * 9 * 8 + 8 * 6 * 6 * 7


def test_verify_finds_what_export_recorded(checkpoints: Path, capsys: pytest.CaptureFixture[str]):
    verify.main([str(checkpoints / "first"), *DATA])
    said = capsys.readouterr().out
    accuracy = f"{hub.load('first').config['metrics']['test']['accuracy']:.4f}"
    assert "verified" in said and "2 faces" in said and said.count(accuracy) >= 2 and "test_tta" in said


def test_verify_fails_when_a_recorded_figure_is_changed(checkpoints: Path, capsys: pytest.CaptureFixture[str]):
    edit(checkpoints / "first", lambda config: change(config["metrics"], ("test", "test_dedup", "accuracy"), 0.001))
    said = refusal(verify.main, ["first", *DATA], capsys)
    assert "test without duplicates: accuracy is recorded as" in said and "1 recorded figures" in said


@pytest.mark.parametrize(
    ("place", "by"),
    [
        (("accuracy",), 0.001),
        (("f1_macro",), -0.001),
        (("per_class", "happy", "recall"), 0.01),
        (("nll",), 0.02),
        (("accuracy_ci", 1), 0.02),
        (("n",), 1),
        (("accuracy",), float("nan")),
    ],
)
def test_every_figure_is_verified(published: Path, place: tuple[str | int, ...], by: float):
    found = hub.load(str(published / "first")).config["metrics"]["test"]
    recorded = copy.deepcopy(found)
    assert not list(verify.differences(recorded, found))
    change(recorded, place, by)
    (said,) = verify.differences(recorded, found)
    assert said.startswith(f"{'.'.join(map(str, place))} is recorded as")


def test_two_faces_may_be_answered_otherwise_but_not_three(published: Path):
    found = hub.load(str(published / "first")).config["metrics"]["test"]
    confusion = torch.tensor(found["confusion"])
    row = int(confusion.diagonal().argmax())
    for faces in (2, 3):
        other = confusion.clone()
        other[row, row] -= faces
        other[row, row - 1] += faces
        follows = {**classification.summary(other), "per_class": classification.per_class(other)}
        said = list(verify.differences({**found, **follows, "confusion": other.tolist()}, found))
        assert said == (
            [] if faces == 2 else ["3 faces are answered otherwise than the recorded confusion matrix tells"]
        )


@pytest.mark.parametrize(
    ("place", "by"),
    [(("temperature",), 0.05), (("test", "ece"), 0.01), (("val", "nll_before"), 0.01), (("uncertain_below",), 0.05)],
)
def test_the_calibration_is_verified(
    checkpoints: Path, capsys: pytest.CaptureFixture[str], place: tuple[str, ...], by: float
):
    def spoil(config: dict[str, Any]) -> None:
        config["calibration"]["uncertain_below"] = config["calibration"]["uncertain_below"] or 0.9
        change(config["calibration"], place, by)

    edit(checkpoints / "first", spoil)
    assert f"calibration: {'.'.join(place)} is recorded as" in refusal(verify.main, ["first", *DATA], capsys)


def test_a_checkpoint_from_before_calibration_is_verified_without(
    checkpoints: Path, capsys: pytest.CaptureFixture[str]
):
    edit(checkpoints / "first", lambda config: config.pop("calibration"))
    verify.main(["first", *DATA])
    assert "no calibration is recorded" in capsys.readouterr().out


def test_verify_fails_with_other_weights(checkpoints: Path, capsys: pytest.CaptureFixture[str]):
    other = hub.load("first").network
    torch.nn.init.normal_(other.head.weight)
    config = json.loads((checkpoints / "first" / hub.CONFIG).read_text())
    hub.save_checkpoint(checkpoints / "first", other, config, "# card")
    assert "faces are answered otherwise" in refusal(verify.main, ["first", *DATA], capsys)


def test_verify_fails_on_other_data(checkpoints: Path, capsys: pytest.CaptureFixture[str]):
    assert "its fingerprint is" in refusal(verify.main, ["first", "--data", "synthetic:357"], capsys)


def test_verify_fails_where_nothing_is_recorded(checkpoints: Path, capsys: pytest.CaptureFixture[str]):
    edit(checkpoints / "first", lambda config: config["metrics"]["test"].pop("auroc"))
    assert "lacks figures" in refusal(verify.main, ["first", *DATA], capsys)


@pytest.mark.real_data
@pytest.mark.skipif(REAL is None, reason="set FER2013_DIR")
def test_the_published_figures_are_what_the_published_weights_give():
    verify.main([str(ROOT / "checkpoints" / "cnn"), "--data", str(REAL)])


@pytest.mark.parametrize("where", [[], ["--augment", "strong", "--augment_on", "device", "--data_on", "device"]])
def test_speed_of_training_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str], where: list[str]):
    argv = ["--data", "synthetic:70", "--batch_size", "4", "--steps", "2", "--rounds", "2", *where]
    training.main([*argv, "--precision", "bf16-mixed", "--out", str(tmp_path / "speed.csv")])
    (row,) = read_csv(tmp_path / "speed.csv")
    assert row["model"] == "cnn" and row["machine"] in capsys.readouterr().out
    loader, loop, lightning = (float(row[way]) for way in ("loader", "bare_loop", "lightning"))
    assert loader > loop > 0 and lightning > 0
    assert float(row["lowest_share"]) <= float(row["lightning_share"]) <= float(row["highest_share"])
    assert "batches of 4" in refusal(training.main, [*argv, "--steps", "20"], capsys)
    assert "needs --accelerator gpu" in refusal(training.main, [*argv, "--precision", "16-mixed"], capsys)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_speed_without_a_gpu_is_a_sentence(capsys: pytest.CaptureFixture[str]):
    assert "no CUDA device" in refusal(training.main, ["--accelerator", "gpu"], capsys)


@pytest.mark.slow
def test_speed_of_all_classifiers(tmp_path: Path):
    argv = ["--model", "all", "--data", "synthetic:70", "--batch_size", "4", "--steps", "2", "--rounds", "1"]
    training.main([*argv, "--out", str(tmp_path / "speed.csv")])
    assert [row["model"] for row in read_csv(tmp_path / "speed.csv")] == list(training.CLASSIFIERS)


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore:Detected call of .lr_scheduler.step")  # 16-bit gradients overflow at first
@pytest.mark.parametrize("precision", training.PRECISIONS)
def test_speed_on_a_gpu(tmp_path: Path, precision: str):
    argv = ["--data", "synthetic:350", "--batch_size", "16", "--steps", "3", "--rounds", "1", "--accelerator", "gpu"]
    argv += ["--augment_on", "device", "--data_on", "device"]
    training.main([*argv, "--precision", precision, "--out", str(tmp_path / "speed.csv")])
    assert float(read_csv(tmp_path / "speed.csv")[0]["lightning"]) > 0
