"""The frozen network whose features the Fréchet distance FD-FER compares faces by.

It was trained on Training alone, and shares no weights with any generator, nor with the classifier that says whether
generated faces show what they were asked for. A figure is comparable only with figures of the very same weights, so
their hash is pinned here.
"""

import hashlib

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_models import hub
from fer_models.networks.base import Classifier

FD_ENCODER = "fd_encoder"
FD_ENCODER_SHA256 = "1860272559c18a84898190bcc875f5cc31ba929113b1f31a76cf016fd3957962"
"""Of ``checkpoints/fd_encoder/model.safetensors``."""


class Encoder:
    """Faces to features.

    Args:
        checkpoint: Of a classifier.
        device: Where it runs.
    """

    def __init__(self, checkpoint: hub.Checkpoint, device: str = "cpu") -> None:
        if not isinstance(checkpoint.network, Classifier):
            raise hub.CheckpointError(f"{checkpoint.name} is no classifier: it gives no features")
        self.network, self.preprocess = checkpoint.network, checkpoint.preprocess
        self.device = device
        hub.place(self.network, device)

    def __call__(self, faces: NDArray[np.uint8], batch_size: int = 256) -> Tensor:
        """Map faces, uint8 (N, H, W), to features, float32 (N, D), on the CPU."""
        rows = [torch.empty(0, self.network.embedding_dim)]
        for start in range(0, len(faces), batch_size):
            batch = np.stack([self.preprocess(face) for face in faces[start : start + batch_size]])
            with torch.inference_mode():
                rows.append(self.network.embed(torch.from_numpy(batch).to(self.device)).float().cpu())
        return torch.cat(rows)


def load_encoder(device: str = "cpu") -> Encoder:
    """Load the encoder of FD-FER.

    Raises:
        CheckpointError: It is missing, or other weights than those that published figures were made with.
    """
    weights = hub.folder_of(FD_ENCODER) / hub.WEIGHTS
    found = hashlib.sha256(weights.read_bytes()).hexdigest()
    if found != FD_ENCODER_SHA256:
        raise hub.CheckpointError(
            f"{weights} has the SHA-256 {found[:12]}..., not {FD_ENCODER_SHA256[:12]}...: figures would not be "
            "comparable with published ones; fetch this repository's checkpoint again"
        )
    return Encoder(hub.load(FD_ENCODER), device)
