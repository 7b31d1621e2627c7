"""Help that one likes to read, and the name of a run's folder."""

import re
from pathlib import Path

import pytest

import train
from fer_models.networks import NETWORKS


def shown(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    with pytest.raises(SystemExit) as caught:
        train.main([*argv, "--help"])
    assert caught.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("columns", ["80", "200"])
@pytest.mark.parametrize("model", NETWORKS)
def test_each_option_has_a_line_of_its_own_with_its_default(
    model: str, columns: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COLUMNS", columns)
    text = shown(capsys, "--model", model)
    assert max(map(len, text.splitlines())) <= min(100, int(columns))
    assert not re.search(r"Union|Literal|type:|null|``|\b(int|float|str|bool)\b|[^ -~é\n]", text)
    assert text.index("\nRun:\n") < text.index("\nNetwork:\n") < text.index("\nTraining:\n") < text.index("\nData:\n")
    parser, _ = train.build_parser(model)
    for action in parser._actions:
        (told,) = re.findall(rf"^  (?:-h, )?--{action.dest}\b.*\n(?:   .*\n)*", text, re.M)
        told = " ".join(told.split()).replace("- ", "-")  # lines may break after a hyphen
        default = parser.get_defaults().get(action.dest)
        assert f"(default: {default})" in told if default is not None else "default:" not in told, told
        choices = getattr(getattr(action, "_typehint", None), "__args__", ())
        assert all(choice in told for choice in choices if isinstance(choice, str)), told


def test_the_usage_is_one_line(capsys: pytest.CaptureFixture[str]):
    usage, empty, *_ = shown(capsys, "--model", "resnet").splitlines()
    assert usage == "usage: train.py --model MODEL [options]" and not empty


def test_help_shows_what_a_task_wants_of_the_data(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(NETWORKS["cnn"], "training_defaults", {"hflip": 0.25})
    assert re.search(r"--hflip [^-]*\(default: 0\.25\)", shown(capsys, "--model", "cnn"))


def test_without_a_model_help_lists_the_models_and_what_to_type(capsys: pytest.CaptureFixture[str]):
    text = shown(capsys)
    assert max(map(len, text.splitlines())) <= 100
    assert all(re.search(rf"^  {model} +\S.*\.$", text, re.M) for model in NETWORKS)
    known = {name for action in train.build_parser("cnn")[0]._actions for name in action.option_strings}
    for command in re.findall("python experiments/train.py (.*)", text):
        words = command.split()
        assert known.issuperset(word for word in words if word.startswith("--"))
        assert all(Path(__file__).parents[2].joinpath(word).is_file() for word in words if word.endswith(".yaml"))


def test_unnamed_runs_that_start_together_have_folders_of_their_own(tmp_path: Path):
    run = train.Run(run_dir=str(tmp_path))
    assert len({train.run_folder(run, "cnn") for _ in range(100)}) == 100
