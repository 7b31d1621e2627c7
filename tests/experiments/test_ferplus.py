"""Training with FER+ beside FER2013's labels, by the command a user types."""

import csv
import json
from pathlib import Path

import pytest
import torch

import evaluate
import export
import train
from fer_data.emotions import EMOTIONS, FERPLUS_EMOTIONS
from fer_data.fer2013 import load
from fer_models import hub, predict

SMALL = ["--model", "cnn", "--widths", "[8,16,32,32]", "--accelerator", "cpu", "--batch_size", "16"]
SMALL += ["--augment", "flip", "--lr", "0.05"]


def test_votes_are_learnt_and_not_published(ferplus: Path, tmp_path: Path):
    run = ["--data", str(ferplus), "--ferplus_weight", "1", "--max_epochs", "8", "--run_dir", str(tmp_path)]
    train.main([*SMALL, *run, "--name", "votes", "--dropout", "0"])
    folder = tmp_path / "cnn" / "votes"
    with (folder / "log" / "version_0" / "metrics.csv").open(newline="") as file:
        losses = [float(row["train/votes_loss"]) for row in csv.DictReader(file) if row["train/votes_loss"]]
    assert len(losses) == 8 and losses[-1] < losses[0] - 0.3
    saved = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    assert saved["hyper_parameters"]["ferplus_weight"] == 1
    assert saved["state_dict"]["votes_head.weight"].shape == (8, 32)
    trained = hub.load_any(str(folder))
    config = {"model": "cnn", "network_config": trained.config["network_config"]}
    config["preprocess"] = trained.preprocess.to_dict()
    hub.save_checkpoint(tmp_path / "published", trained.network, config, card="")
    published = hub.load(str(tmp_path / "published")).network
    assert not [key for key in published.state_dict() if "votes" in key]
    assert published(torch.zeros(1, 1, 48, 48)).shape == (1, len(EMOTIONS))


@pytest.mark.parametrize("more", [["--sam_rho", "0.05", "--sam_from", "0"], ["--cutmix", "1", "--balance", "loss"]])
def test_votes_go_with_the_other_options(ferplus: Path, more: list[str]):
    train.main([*SMALL, "--data", str(ferplus), "--ferplus_weight", "0.3", "--fast_dev_run", *more])


def test_votes_that_are_not_there_are_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        train.main([*SMALL, "--data", "synthetic:70", "--ferplus_weight", "0.3", "--run_dir", str(tmp_path)])
    assert "no FER+ votes: put fer2013new.csv" in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_ferplus_labels_are_a_track_of_their_own(ferplus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Train, judge and export on FER+'s eight labels, which no command mixes with FER2013's seven."""
    run, published = tmp_path / "cnn" / "eight", tmp_path / "published"
    train.main(
        [*SMALL, "--data", f"ferplus:{ferplus}", "--max_epochs", "1", "--run_dir", str(tmp_path), "--name", "eight"]
    )
    export.main([str(run), str(published), "--data", f"ferplus:{ferplus}"])
    config = json.loads((published / "config.json").read_text())
    assert config["labels"] == list(FERPLUS_EMOTIONS) and config["network_config"]["num_classes"] == 8
    metrics = config["metrics"]["test"]
    faces = load(f"ferplus:{ferplus}")
    assert metrics["n"] == (faces.usage == 2).sum() < (load(str(ferplus)).usage == 2).sum()
    assert list(metrics["per_class"]) == list(FERPLUS_EMOTIONS)
    assert "Classifier of 8" in (published / "README.md").read_text()
    capsys.readouterr()
    judged = ["--checkpoint", str(published), "--out", str(tmp_path / "report")]
    evaluate.main([*judged, "--data", f"ferplus:{ferplus}", "--json"])
    assert json.loads(capsys.readouterr().out)["confusion"] == metrics["confusion"]
    for command, words in (
        (lambda: evaluate.main([*judged, "--data", str(ferplus)]), "give --data ferplus:PATH"),
        (lambda: evaluate.main(["--checkpoint", "cnn", "--data", f"ferplus:{ferplus}"]), "without ferplus:"),
        (lambda: export.main([str(run), str(published), "--data", str(ferplus)]), "fingerprint"),
    ):
        with pytest.raises(SystemExit):
            command()
        assert words in capsys.readouterr().err
    with pytest.raises(hub.CheckpointError, match="eight emotions"):
        predict.load(str(published))


def test_ferplus_votes_go_with_ferplus_labels(ferplus: Path):
    train.main([*SMALL, "--data", f"ferplus:{ferplus}", "--ferplus_weight", "0.3", "--mixup", "0.2", "--fast_dev_run"])


def test_evaluate_tells_what_other_people_see_in_the_faces(
    ferplus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Of the drawn faces nine in ten have a majority, and it is their label."""
    checkpoint = str(Path(__file__).parents[2] / "checkpoints" / "cnn")
    evaluate.main(["--checkpoint", checkpoint, "--data", str(ferplus), "--out", str(tmp_path / "out")])
    told, page = capsys.readouterr().out, (tmp_path / "out" / "report.html").read_text()
    seen = json.loads((tmp_path / "out" / "metrics.json").read_text())["taggers"]
    assert 0 < seen["n"] == seen["agreed_n"] < int((load(str(ferplus)).usage == 2).sum())
    assert seen["labels"] == 1 and seen["answers"] == seen["agreed"]
    assert f"as FER+'s majority (n {seen['n']})" in told and "100.0%" in told
    assert "What other people see" in page
    evaluate.main(["--checkpoint", checkpoint, "--data", "synthetic:140", "--out", str(tmp_path / "none")])
    assert json.loads((tmp_path / "none" / "metrics.json").read_text())["taggers"] is None
    assert "What other people see" not in (tmp_path / "none" / "report.html").read_text()
