"""The folder for a Space, and what would be uploaded."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from gradio_client import Client, handle_file

import make_space
import photos
import publish
from fer_models import hub


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist") / "space"
    make_space.make_space(folder)
    return folder


def test_the_folder_holds_all_that_it_needs(space: Path):
    names = {path.name for path in space.iterdir()}
    assert names == {
        "app.py", "fer_demo", "fer_data", "fer_models", "checkpoints", "requirements.txt", "README.md", "LICENSE",
    }  # fmt: skip
    assert {path.name for path in (space / "checkpoints").iterdir()} == set(hub.available())
    assert list((space / "fer_demo" / "examples").glob("*.jpg")) and (space / "fer_demo" / "style.css").is_file()


def test_requirements_are_third_parties_with_bounds(space: Path):
    lines = (space / "requirements.txt").read_text().splitlines()
    assert lines and all(re.fullmatch(r"[\w.-]+(\[\w+\])?[<>=]=?.+", line) for line in lines)
    assert not [line for line in lines if line.startswith(("fer-", "lightning", "albumentations", "wandb"))]
    assert {"gradio", "torch", "facenet-pytorch"} <= {re.split("[<>=]", line)[0] for line in lines}


def test_the_front_matter_names_the_gradio_of_the_lock(space: Path):
    front = (space / "README.md").read_text().split("---\n")[1]
    locked = re.search(r"^gradio==(\S+)", Path("requirements.lock").read_text(), re.MULTILINE)
    assert f"sdk_version: {locked[1]}\n" in front and "app_file: app.py\n" in front
    assert len(re.search(r"short_description: (.*)", front)[1]) <= 60


def test_a_folder_that_is_something_else_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(SystemExit, match="1"):
        make_space.main([str(tmp_path)])
    assert "is no Space" in capsys.readouterr().err and (tmp_path / "thesis.txt").is_file()


def test_a_dry_run_tells_what_it_would_upload(
    space: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(publish, "publish", lambda *_: pytest.fail("it uploads"))
    publish.main(["somebody", "--space", str(space), "--dry-run"])
    told = capsys.readouterr().out.splitlines()
    models = re.findall(r"^model somebody/fer-lightning-(\S+): \d files, [\d.]+ MB, from .*\1$", "\n".join(told), re.M)
    assert sorted(models) == hub.available()
    assert told[-1].startswith("space somebody/fer-lightning: ")


def test_the_space_links_its_models(tmp_path: Path, space: Path):
    readme = tmp_path / "README.md"
    readme.write_bytes((space / "README.md").read_bytes())
    for _ in range(2):
        publish.link_models(readme, ["a/b", "a/c"])
    assert readme.read_text().startswith("---\nmodels: [a/b, a/c]\ntitle: ")
    assert readme.read_text().count("models:") == 1


@pytest.mark.slow
def test_the_folder_runs_by_itself(space: Path, tmp_path: Path):
    port = 7930
    server = subprocess.Popen([sys.executable, "app.py", "--port", str(port)], cwd=space, env={"PATH": "/usr/bin:/bin"})
    try:
        for _ in range(100):
            time.sleep(2)
            try:
                client = Client(f"http://127.0.0.1:{port}", verbose=False)
                break
            except Exception:  # not there yet
                assert server.poll() is None
        photo = tmp_path / "photo.jpg"
        photo.write_bytes(photos.encode(photos.astronaut(), "JPEG"))
        _, told = client.predict(handle_file(photo), "cnn", api_name="/detect")
        assert [face["emotion"] for face in told["faces"]] == ["happy"]
    finally:
        server.terminate()
        server.wait()
