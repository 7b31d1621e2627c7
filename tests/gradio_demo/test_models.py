"""Which models the page offers."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import app
from fer_data.errors import UserError
from fer_demo.models import Models
from fer_models import hub


def test_lists_what_is_there_with_its_figure(models: Models):
    assert [entry.label for entry in models.classifiers] == ["cnn (69.7% accuracy)"]  # not the encoder
    assert [entry.label for entry in models.generators] == ["dcgan (FD-FER 123.45)", "vae (FD-FER 123.45)"]
    assert [entry.inverts for entry in models.generators] == [False, True]
    assert models.best == "cnn"


def test_a_damaged_checkpoint_is_disabled_with_a_reason_that_tells_no_path(models: Models, checkpoints: Path):
    (broken,) = models.broken
    assert broken.name == "broken" and "the checkpoint broken is damaged" in broken.problem
    assert str(checkpoints) not in broken.problem
    with pytest.raises(UserError, match="choose one of: cnn"):
        models.predictor("broken")


@pytest.mark.parametrize("name", ["../cnn", "/etc", "vae", "", None])
def test_only_names_of_the_list_are_loaded(models: Models, name: str | None):
    with pytest.raises(UserError, match="there is no classifier"):
        models.predictor(name)


def test_each_is_loaded_once_whatever_many_threads_ask(checkpoints: Path, monkeypatch: pytest.MonkeyPatch):
    loaded = []
    load = hub.load
    monkeypatch.setenv("FER_CHECKPOINTS", str(checkpoints))
    monkeypatch.setattr(hub, "load", lambda name: loaded.append(Path(name).name) or load(name))
    models = Models()
    assert not loaded
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: models.generator("vae"), range(32)))
    assert loaded == ["vae"] and len(set(map(id, made))) == 1


def test_other_weights_are_told_without_a_path(checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FER_CHECKPOINTS", str(tmp_path))
    (tmp_path / "cnn").mkdir()
    for file in (hub.CONFIG, hub.CARD):
        (tmp_path / "cnn" / file).write_bytes((checkpoints / "cnn" / file).read_bytes())
    (tmp_path / "cnn" / hub.WEIGHTS).write_bytes((checkpoints / "vae" / hub.WEIGHTS).read_bytes())
    with pytest.raises(UserError, match="the checkpoint cnn is damaged") as caught:
        Models().predictor("cnn")
    assert str(tmp_path) not in str(caught.value)


def test_a_repository_that_cant_be_had_is_told_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("FER_CHECKPOINTS", "hf://not/a/name")
    with pytest.raises(SystemExit, match="1"):
        app.main([])
    assert capsys.readouterr().err.startswith("error: hf://not/a/name can't be fetched from the Hugging Face Hub")


def test_the_page_is_honest_where_nothing_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FER_CHECKPOINTS", str(tmp_path))
    page = app.build(Models())
    shown = " ".join(str(block.value) for block in page.blocks.values() if getattr(block, "value", None))
    assert "No classifier is here" in shown and "No generator is here yet" in shown
