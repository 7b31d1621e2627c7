"""A checkpoint that is there in a moment: a small network that knows nothing, and what predicts with it."""

from pathlib import Path

import pytest
import torch

import photos
from fer_models import hub
from fer_models.networks import NETWORKS
from fer_models.predict import EmotionPredictor


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write the checkpoint ``small`` and give its folder."""
    torch.manual_seed(0)
    config = {"widths": [4, 8, 8, 8]}
    network = NETWORKS["cnn"](**config).to(memory_format=torch.channels_last)
    network(torch.randn(8, 1, 48, 48))  # moves the running statistics off their start
    about = {"model": "cnn", "network_config": config, "preprocess": hub.input_of(network).to_dict()}
    hub.save_checkpoint(tmp_path / "small", network, about, "# card")
    return tmp_path / "small"


@pytest.fixture
def predictor(folder: Path) -> EmotionPredictor:
    return EmotionPredictor(hub.load(str(folder)), photos.detector())


@pytest.fixture
def one_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    """Build MTCNN once for all tests."""
    monkeypatch.setattr("fer_models.predict.FaceDetector", lambda device: photos.detector())
