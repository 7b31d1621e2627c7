"""experiments/soft_labels.py: cross-fitting by real, small runs of train.py."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import soft_labels
import train
from fer_data.fer2013 import fingerprint, load
from fer_models.hub import load_run
from fer_models.judging.evaluation import predict_faces

DATA = "synthetic:210"
SMALL = ["--model", "cnn", "--data", DATA, "--widths", "[8,16,32,32]", "--accelerator", "cpu", "--batch_size", "16"]
SMALL += ["--augment", "light", "--lr", "0.05", "--max_epochs", "1"]


def test_each_fold_is_asked_of_a_network_that_has_not_seen_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    tables: list[Any] = []
    really = train.train

    def watched(options: Any, groups: Any, parser: Any, table: Any = None) -> None:
        tables.append(table)
        if len(tables) == 2:  # as if it was stopped in the second fold
            raise KeyboardInterrupt
        really(options, groups, parser, table)

    monkeypatch.setattr(train, "train", watched)
    out, folder = tmp_path / "soft.npz", tmp_path / "runs"
    command = ["--out", str(out), "--folds", "2", *SMALL, "--run_dir", str(folder)]
    with pytest.raises(SystemExit):
        soft_labels.main(command)
    assert not out.exists()
    first = (folder / "cnn" / "soft-fold1of2" / "checkpoints" / "last.ckpt").read_bytes()
    soft_labels.main(command)
    assert (folder / "cnn" / "soft-fold1of2" / "checkpoints" / "last.ckpt").read_bytes() == first  # not trained again

    table = load(DATA)
    training = table.images[table.usage == 0]
    with np.load(out) as content:
        probabilities, fold_of = content["probabilities"], content["fold"]
        assert str(content["fingerprint"]) == fingerprint(table) and "python" in str(content["command"])
    for number, used in enumerate(tables[-2:]):
        last = folder / "cnn" / f"soft-fold{number + 1}of2" / "checkpoints" / "last.ckpt"
        faces = training[fold_of == number]
        answers = [predict_faces(load_run(last), images) for images in (faces, faces[:, :, ::-1])]
        assert np.allclose(probabilities[fold_of == number], torch.stack(answers).mean(0), atol=1e-5)
        learnt = {image.tobytes() for image in used.images[used.usage == 0]}
        asked = {image.tobytes() for image in training[fold_of == number]}
        assert not learnt & asked and len(learnt) + len(asked) == len(training)
    train.main([*SMALL, "--soft_labels", str(out), "--soft_label_weight", "0.3", "--mixup", "0.2", "--fast_dev_run"])


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--out", "soft.txt", *SMALL], "must end in .npz"),
        (["--out", "soft.npz", "--folds", "1", *SMALL], "--folds is 1"),
        (["--out", "soft.npz", *SMALL, "--fast_dev_run"], "--fast_dev_run leaves no network"),
        (["--out", "soft.npz", *SMALL, "--colour"], "--colour"),
    ],
)
def test_wrong_options_end_with_a_sentence(argv: list[str], words: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as caught:
        soft_labels.main(argv)
    said = capsys.readouterr().err
    assert caught.value.code != 0 and words in said and "Traceback" not in said
