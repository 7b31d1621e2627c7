"""Metrics of generation on sets whose answer is known, and on faces that get worse by degrees."""

from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance

from fer_data.errors import UserError
from fer_data.synthetic import synthetic_table
from fer_models import hub
from fer_models.judging.encoder import Encoder
from fer_models.metrics.generation import (
    INCEPTION,
    copying,
    diversity,
    frechet_distance,
    inception_fid,
    kernel_distance,
    manifold_metrics,
    nearest,
    nearest_pixels,
)


def gaussian(n: int, d: int, seed: int) -> Tensor:
    """Draw n points with mean 0 and covariance 1, exactly."""
    points = torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    points -= points.mean(0)
    root = torch.linalg.cholesky(torch.cov(points.T))
    return torch.linalg.solve_triangular(root, points.T, upper=False).T


def test_frechet_distance_of_shifted_gaussians_is_the_shift_squared():
    shift = torch.tensor([3.0, 0.0, -4.0, 0.0])
    assert frechet_distance(gaussian(500, 4, 0), gaussian(300, 4, 1) + shift) == pytest.approx(25)


def test_frechet_distance_of_stretched_gaussians():
    stretch = torch.tensor([1.0, 2.0, 0.5, 3.0])
    expected = (1 - stretch).square().sum()  # covariances that commute: the sum of (sqrt(a) - sqrt(b))²
    assert frechet_distance(gaussian(500, 4, 0), gaussian(300, 4, 1) * stretch) == pytest.approx(float(expected))


def test_frechet_distance_agrees_with_torchmetrics():
    real, made = torch.randn(400, 16) @ torch.randn(16, 16), torch.randn(300, 16) @ torch.randn(16, 16) + 1
    identity = nn.Identity()
    identity.num_features = torch.tensor(16)
    theirs = FrechetInceptionDistance(identity)
    theirs.update(real.double(), real=True)
    theirs.update(made.double(), real=False)
    assert frechet_distance(real, made) == pytest.approx(float(theirs.compute()), rel=1e-6)


@pytest.mark.parametrize(("n", "d"), [(200, 8), (20, 64)])
def test_a_set_is_at_no_distance_from_itself(n: int, d: int):
    features = torch.randn(n, d)
    assert frechet_distance(features, features) == pytest.approx(0, abs=1e-9)


def test_kernel_distance_is_unbiased_and_grows():
    one, other = gaussian(2000, 8, 0).chunk(2)
    mean, sd = kernel_distance(one, other, size=200)
    assert abs(mean) < sd
    distances = [mean, *(kernel_distance(one, other + shift, size=200)[0] for shift in (0.2, 0.4, 0.8))]
    assert all(near < far for near, far in pairwise(distances)) and distances[-1] > 10 * sd
    assert kernel_distance(one, other, size=200) == (mean, sd)


def worse(faces: np.ndarray, kind: str, amount: float) -> np.ndarray:
    if kind == "blur":
        return np.stack([cv2.GaussianBlur(face, (0, 0), amount) for face in faces])
    noise = np.random.default_rng(0).normal(0, 20 * amount, faces.shape)
    return np.clip(faces + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("kind", ["blur", "noise"])
def test_distances_grow_as_faces_get_worse(folder: Path, kind: str):
    """The encoder is a network with random weights."""
    encoder, faces = Encoder(hub.load(str(folder))), synthetic_table(210, seed=3).images
    features = [encoder(worse(faces, kind, amount) if amount else faces) for amount in (0, 0.7, 1.4, 2.8)]
    frechet = [frechet_distance(features[0], other) for other in features]
    kernel = [kernel_distance(features[0], other)[0] for other in features]
    for distances in (frechet, kernel):
        assert all(near < far for near, far in pairwise(distances)), distances


def test_precision_recall_density_and_coverage_of_known_sets():
    real, again = gaussian(500, 4, 0), gaussian(500, 4, 1)
    same = manifold_metrics(real, real)
    assert set(same.values()) == {1}
    alike = manifold_metrics(real, again)
    assert min(alike.values()) > 0.85 and alike["density"] == pytest.approx(1, abs=0.1)
    assert set(manifold_metrics(real, again + 100).values()) == {0}
    collapsed = manifold_metrics(real, 0.01 * again)
    assert collapsed["precision"] == 1 and collapsed["recall"] < 0.05 and collapsed["coverage"] < 0.2


def test_diversity_is_the_mean_distance():
    assert diversity(torch.tensor([[0.0], [1.0], [3.0]])) == pytest.approx(2)
    assert diversity(torch.ones(5, 3)) == 0


def test_nearest_in_parts_is_nearest_at_once():
    faces, others = torch.randn(50, 6), torch.randn(80, 6)
    found = nearest(faces, others, batch_size=7)
    distances = torch.cdist(faces, others)
    assert torch.equal(found.index, distances.argmin(1))
    assert torch.allclose(found.distance, distances.min(1).values, atol=1e-5)
    assert not nearest(others[:10], others).distance.any()


def test_mirrored_copies_are_found_by_pixels():
    faces = torch.from_numpy(synthetic_table(70).images)
    found = nearest_pixels(torch.cat([faces[:5], faces[5:10].flip(2)]), faces)
    assert found.index.tolist() == list(range(10)) and not found.distance.any()


def test_copies_are_told_by_what_is_near_for_unseen_real_faces():
    unseen, exact = torch.linspace(1, 2, 101), torch.zeros(9)
    real, fresh = torch.cat([unseen, exact]), torch.arange(110) < 101
    found = copying(torch.cat([torch.full((30,), 0.5), torch.full((70,), 1.5)]), real, fresh)
    assert found["threshold"] == pytest.approx(1.01) and found["share"] == pytest.approx(0.3)
    assert found["share_real"] == pytest.approx(11 / 110) and found["median_ratio"] == pytest.approx(1)
    with pytest.raises(UserError, match="each face of the split stands in Training"):
        copying(real, real, torch.zeros(110, dtype=torch.bool))


def test_inception_fid_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    faces = torch.zeros(4, 48, 48, dtype=torch.uint8)
    assert str(inception_fid(faces, faces)).startswith("no weights")
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    (tmp_path / "hub" / "checkpoints" / INCEPTION).touch()
    monkeypatch.setattr("torchmetrics.image.fid._TORCH_FIDELITY_AVAILABLE", False)
    assert inception_fid(faces, faces) == "torch-fidelity is not installed"
