"""The pinned encoder: the right weights and no others."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from fer_models import hub
from fer_models.judging import encoder


@pytest.fixture
def published(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FER_CHECKPOINTS", str(folder.parent))
    return folder.rename(folder.with_name(encoder.FD_ENCODER))


def test_other_weights_are_refused(published: Path):
    with pytest.raises(hub.CheckpointError, match="would not be comparable"):
        encoder.load_encoder()


def test_a_missing_encoder_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FER_CHECKPOINTS", str(tmp_path))
    with pytest.raises(hub.CheckpointError, match="no checkpoint 'fd_encoder'"):
        encoder.load_encoder()


def test_the_pinned_weights_give_what_the_head_sees(published: Path, monkeypatch: pytest.MonkeyPatch):
    digest = hashlib.sha256((published / hub.WEIGHTS).read_bytes()).hexdigest()
    monkeypatch.setattr(encoder, "FD_ENCODER_SHA256", digest)
    encode = encoder.load_encoder()
    faces = np.random.default_rng(0).integers(0, 256, (5, 48, 48), dtype=np.uint8)
    features = encode(faces, batch_size=2)
    assert features.shape == (5, 8) and features.dtype == torch.float32
    assert torch.allclose(features, encode(faces), atol=1e-5)
    batch = torch.from_numpy(np.stack([encode.preprocess(face) for face in faces]))
    with torch.no_grad():
        assert torch.allclose(encode.network.head(features), encode.network(batch), atol=1e-5)


def test_no_faces_give_no_features(folder: Path):
    assert encoder.Encoder(hub.load(str(folder)))(np.empty((0, 48, 48), np.uint8)).shape == (0, 8)
