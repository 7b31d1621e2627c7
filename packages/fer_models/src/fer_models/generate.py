"""Generators in use: faces with a chosen emotion, and around a given face. Light: no Lightning, no Albumentations."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_data.emotions import EMOTIONS
from fer_data.errors import UserError, check_range
from fer_models import hub
from fer_models.backends import backend_of
from fer_models.networks.base import Generator, Inverter

Faces = NDArray[np.uint8]


def to_pixels(faces: Tensor) -> Faces:
    """Turn faces (B, 1, S, S) in [-1, 1] into uint8 (B, S, S)."""
    pixels = ((faces[:, 0].detach().float() + 1) * 127.5).round().clamp(0, 255)
    return pixels.to(torch.uint8).cpu().numpy()


class FaceGenerator:
    """Make faces: at random, between two, or from a given one.

    The same seed and number give the same latents whatever the emotion, so that emotions of one latent can be compared.

    Args:
        checkpoint: Of a generator.
        device: Where the network runs, e.g. ``cpu`` or ``cuda``.
        backend: What it runs on, one of ``backends.BACKENDS``; the way back from a face is always torch's.

    Raises:
        UserError: The checkpoint is no generator's, or the backend or the device can't be had.
    """

    def __init__(self, checkpoint: hub.Checkpoint, device: str = "cpu", backend: str = "auto") -> None:
        if not isinstance(checkpoint.network, Generator):
            raise UserError(f"{checkpoint.name} is a {checkpoint.config['model']}, which generates no faces")
        self.checkpoint, self.device = checkpoint, device
        self.network: Generator = hub.place(checkpoint.network, device)
        self._render = backend_of(checkpoint, backend, device)

    @property
    def conditional(self) -> bool:
        """Whether the emotion can be chosen."""
        return self.network.conditional

    @property
    def inverts(self) -> bool:
        """Whether it can start from a given face."""
        return isinstance(self.network, Inverter)

    def latents(self, n: int, seed: int = 0, truncation: float = 1.0) -> Tensor:
        """Draw latents (n, latent_dim).

        Args:
            n: How many.
            seed: Of the random numbers.
            truncation: Standard deviation, 0 to 1: less gives safer faces that differ less.
        """
        check_range("truncation", truncation, 0, 1)
        generator = torch.Generator().manual_seed(seed)
        return truncation * torch.randn(n, self.network.latent_dim, generator=generator)

    def render(self, z: Tensor, labels: Sequence[int] | NDArray[np.integer], batch_size: int = 256) -> Faces:
        """Make faces of latents.

        Args:
            z: (N, latent_dim).
            labels: (N,), the emotions as in ``EMOTIONS``; ignored by a generator that isn't conditional.
            batch_size: Faces at once.

        Returns:
            uint8 (N, 48, 48).
        """
        latents, label = z.numpy(), np.asarray(labels, np.int64)
        side = self.network.input_size
        rows = [np.empty((0, side, side), np.uint8)]
        for start in range(0, len(z), batch_size):
            part = slice(start, start + batch_size)
            rows.append(to_pixels(torch.from_numpy(self._render(z=latents[part], label=label[part]))))
        return np.concatenate(rows)

    def sample(self, labels: Sequence[int] | NDArray[np.integer], seed: int = 0, truncation: float = 1.0) -> Faces:
        """Make one face for each label, uint8 (N, 48, 48)."""
        return self.render(self.latents(len(labels), seed, truncation), labels)

    def all_emotions(self, z: Tensor) -> Faces:
        """Make the seven emotions of latents (N, latent_dim): uint8 (7N, 48, 48), N faces of each emotion in turn.

        Raises:
            UserError: The generator isn't conditional.
        """
        self._check_conditional()
        return self.render(z.repeat(len(EMOTIONS), 1), np.repeat(np.arange(len(EMOTIONS)), len(z)))

    def interpolate(self, label: int, seed: int = 0, steps: int = 16, truncation: float = 1.0) -> Faces:
        """Walk from one latent to another, evenly along the arc between them: uint8 (steps, 48, 48)."""
        start, end = self.latents(2, seed, truncation).chunk(2)
        z = torch.cat([slerp(start, end, share) for share in np.linspace(0, 1, steps)])
        return self.render(z, [label] * steps)

    def invert(self, face: Faces) -> Tensor:
        """Find the latents of a face, uint8 (H, W) or (H, W, 3), cropped: (1, latent_dim).

        Raises:
            UserError: The generator can't.
        """
        if not isinstance(self.network, Inverter):
            raise UserError(f"{self.checkpoint.name} can't start from a given face; a vae can")
        image = torch.from_numpy(self.checkpoint.preprocess(face))[None].to(self.device)
        with torch.inference_mode():
            return self.network.encode(image).float().cpu()

    def variations(self, z: Tensor, n: int, strength: float = 0.5, seed: int = 0) -> Tensor:
        """Draw n latents around one (1, latent_dim): (n, latent_dim).

        Args:
            z: Where to start.
            n: How many.
            strength: 0 for the same face, 1 for faces that have nothing to do with it.
            seed: Of the random numbers.
        """
        check_range("strength", strength, 0, 1)
        return math.sqrt(1 - strength**2) * z + strength * self.latents(n, seed)

    def _check_conditional(self) -> None:
        if not self.conditional:
            raise UserError(f"{self.checkpoint.name} can't be asked for an emotion; a cgan, acgan or vae can")


def slerp(start: Tensor, end: Tensor, share: float) -> Tensor:
    """Interpolate along the arc, where latents of a normal distribution lie (White 2016, https://arxiv.org/abs/1609.04468).

    Args:
        start: (1, D).
        end: (1, D).
        share: 0 for the start, 1 for the end.
    """
    cosine = torch.nn.functional.cosine_similarity(start, end).clamp(-0.9999, 0.9999)
    angle = torch.acos(cosine)
    mixed: Tensor = (torch.sin((1 - share) * angle) * start + torch.sin(share * angle) * end) / torch.sin(angle)
    return mixed


def load_generator(name: str, device: str = "cpu", backend: str = "auto") -> FaceGenerator:
    """Load a generator by the name of its checkpoint, or by path; device and backend as for ``FaceGenerator``.

    Example:
        >>> from fer_models.generate import load_generator
        >>> happy = load_generator("cgan").sample([3] * 16, seed=0)  # uint8 (16, 48, 48)

    Raises:
        UserError: There is no such checkpoint, it is damaged, or it is no generator's.
    """
    return FaceGenerator(hub.load(name), device, backend)
