"""One page for all tests of the demo, with real and random networks and one that is damaged."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest
import torch
from gradio_client import Client, handle_file

import app  # first, as it sets what Gradio reads when it is imported
import photos
from fer_demo.models import Models
from fer_models import hub
from fer_models.networks import NETWORKS

PUBLISHED = Path(__file__).resolve().parents[2] / "checkpoints"


def save_random(folder: Path, model: str, **config: object) -> None:
    """Write a network that has learned nothing."""
    torch.manual_seed(0)
    network = NETWORKS[model](**config)
    about = {"model": model, "network_config": config, "preprocess": hub.input_of(network).to_dict()}
    hub.save_checkpoint(
        folder,
        network,
        {**about, "metrics": {"test": {"sets": {"generated": {"fd_fer": 123.45}}}}},
        f"# {model}\n\nA card.",
    )


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write checkpoints: cnn as published, an encoder, two generators, and one that is cut short."""
    folder = tmp_path_factory.mktemp("checkpoints")
    for name in ("cnn", "fd_encoder"):
        shutil.copytree(PUBLISHED / name, folder / name)
    save_random(folder / "vae", "vae", width=8)
    save_random(folder / "dcgan", "dcgan", width=8)
    shutil.copytree(PUBLISHED / "cnn", folder / "broken")
    weights = folder / "broken" / hub.WEIGHTS
    weights.write_bytes(weights.read_bytes()[:100_000])
    return folder


@pytest.fixture(scope="session")
def models(checkpoints: Path) -> Models:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FER_CHECKPOINTS", str(checkpoints))
        return Models()


@pytest.fixture(scope="session")
def address(models: Models) -> Iterator[str]:
    """Serve the page; give its address."""
    page = app.build(models)
    yield app.launch(page, prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    page.close(verbose=False)


@pytest.fixture
def full(models: Models, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """Serve a page where two clicks are worked on and the one that may wait does; all are answered at the end."""
    go_on, predictor = Event(), models.predictor
    monkeypatch.setattr(models, "predictor", lambda name: go_on.wait(60) and predictor(name))
    path = tmp_path / "photo.png"
    path.write_bytes(photos.encode(photos.faceless()))
    page = app.build(models, waiting=1)
    address = app.launch(page, prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    client = Client(address, verbose=False)
    jobs = []
    for waiting in (0, 0, 1):
        jobs.append(client.submit(handle_file(path), "cnn", api_name="/detect"))
        while len(page._queue) != waiting or len([job for job in page._queue.active_jobs if job]) < min(2, len(jobs)):
            time.sleep(0.01)
    yield address
    go_on.set()
    assert all(job.result(60)[1]["faces"] == [] for job in jobs)
    page.close(verbose=False)
