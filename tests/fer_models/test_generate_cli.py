"""``fer-models generate`` as it is typed."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import photos
from fer_models import hub
from fer_models.cli import main
from fer_models.networks import GENERATORS


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Publish small generators that know nothing."""
    folder = tmp_path_factory.mktemp("checkpoints")
    torch.manual_seed(0)
    for name in ("cgan", "dcgan", "vae"):
        config = {"width": 4, "latent_dim": 8}
        network = GENERATORS[name](**config)
        about = {"model": name, "network_config": config, "preprocess": hub.input_of(network).to_dict()}
        hub.save_checkpoint(folder / name, network, about, "# card")
    return folder


@pytest.fixture(autouse=True)
def here(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_CHECKPOINTS", str(published))
    monkeypatch.setattr("fer_data.faces.FaceDetector", lambda device: photos.detector())
    monkeypatch.chdir(tmp_path)


def generate(*argv: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["generate", *argv])
    return int(caught.value.code or 0)


@pytest.mark.parametrize(
    ("argv", "columns", "rows"),
    [
        (["--model", "cgan", "--emotion", "happy", "--n", "7"], 3, 3),
        (["--model", "cgan", "--n", "4"], 4, 7),
        (["--model", "dcgan", "--n", "4"], 2, 2),
    ],
)
def test_a_grid_has_its_rows(argv: list[str], columns: int, rows: int):
    assert generate(*argv, "--out", "grid.png") == 0
    with Image.open("grid.png") as grid:
        assert grid.size == (4 * (50 * columns - 2), 4 * (50 * rows - 2))


def test_arrays_and_single_files_hold_the_same_faces():
    argv = ["--model", "cgan", "--emotion", "random", "--n", "5", "--seed", "3"]
    assert generate(*argv, "--out", "faces.npz") == generate(*argv, "--out", "faces") == 0
    with np.load("faces.npz") as arrays:
        names = [f"{i:05}-{arrays['emotions'][label]}.png" for i, label in enumerate(arrays["labels"])]
        assert sorted(path.name for path in Path("faces").iterdir()) == names
        for name, face in zip(names, arrays["faces"], strict=True):
            with Image.open(Path("faces", name)) as single:
                assert np.array_equal(np.asarray(single), face)


def test_a_walk_goes_there_and_back():
    assert generate("--model", "vae", "--emotion", "sad", "--n", "6", "--out", "walk.gif") == 0
    with Image.open("walk.gif") as film:
        assert film.size == (192, 192) and film.n_frames > 1


@pytest.mark.parametrize(("more", "faces"), [(["--emotion", "all"], 8), (["--emotion", "fear", "--n", "3"], 5)])
def test_a_given_face_is_drawn_again(more: list[str], faces: int):
    Image.fromarray(photos.astronaut()).save("photo.jpg")
    assert generate("--model", "vae", "--from", "photo.jpg", *more, "--out", "again.npz") == 0
    with np.load("again.npz") as arrays:
        assert len(arrays["faces"]) == faces and arrays["labels"][0] == -1
        assert arrays["faces"][0].std() > 20  # the photo's own face


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--model", "gone"], "gone"),
        (["--emotion", "bored"], "bored"),
        (["--model", "dcgan", "--emotion", "happy"], "can't be asked"),
        (["--n", "0"], "--n is 0"),
        (["--truncation", "2"], "--truncation"),
        (["--out", "faces.jpeg"], ".png, .gif or .npz"),
        (["--from", "gone.jpg", "--model", "vae"], "gone.jpg"),
        (["--from", "noise.png", "--model", "vae"], "no face found"),
        (["--from", "photo.jpg"], "can't start from a given face"),
    ],
)
def test_what_can_not_be_done_is_a_sentence(argv: list[str], words: str, capsys: pytest.CaptureFixture[str]):
    Image.fromarray(photos.astronaut()).save("photo.jpg")
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 200), np.uint8)).save("noise.png")
    assert generate(*argv) == 1
    said = capsys.readouterr().err
    assert words in said and "Traceback" not in said
