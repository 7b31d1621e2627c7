"""Metrics of generation: how far generated faces are from real ones as sets of features, and whether they are copies.

A set of features is (N, D), one row a face. All sums are in float64.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import poly_mmd

from fer_data.errors import UserError

INCEPTION = "pt_inception-2015-12-05-6726825d.pth"
"""torch-fidelity's file of the weights that FID is defined with; it looks for it in torch's cache."""


@dataclass(frozen=True)
class Neighbours:
    """What lies nearest to each of N faces: its position among the others, int64 (N,), and its distance, (N,)."""

    index: Tensor
    distance: Tensor


def frechet_distance(real: Tensor, made: Tensor) -> float:
    """Fréchet distance of two Gaussians that have the sets' means and covariances (https://arxiv.org/abs/1706.08500).

    ``|m - n|² + tr(A + B - 2 √(AB))``; with ``A = RᵀR`` and ``B = SᵀS`` the root's trace is the sum of the singular
    values of ``RSᵀ``, which is exact also where there are fewer faces than dimensions. Few faces make it larger, so
    only figures of the same N can be compared.

    Args:
        real: (N, D), N from 2 on.
        made: (M, D), M from 2 on.
    """
    (mean, r), (other_mean, s) = _gaussian(real), _gaussian(made)
    overlap = torch.linalg.matrix_norm(r @ s.T, "nuc")
    return float((mean - other_mean).square().sum() + r.square().sum() + s.square().sum() - 2 * overlap)


def _gaussian(features: Tensor) -> tuple[Tensor, Tensor]:
    """Give the mean (D,) and a triangular R (min(N, D), D) with ``RᵀR`` the covariance."""
    mean = features.double().mean(0)
    return mean, torch.linalg.qr((features - mean) / math.sqrt(len(features) - 1), mode="r").R


def kernel_distance(
    real: Tensor, made: Tensor, subsets: int = 100, size: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Squared maximum mean discrepancy under a cubic kernel, KID's measure (https://arxiv.org/abs/1801.01401).

    Args:
        real: (N, D).
        made: (M, D).
        subsets: How often faces are drawn from both sets.
        size: Faces in a draw; at most half of the smaller set, so that draws differ.
        seed: Of the draws.

    Returns:
        Mean and standard deviation over the draws. Unlike the Fréchet distance, the mean doesn't depend on N; it can be
        below 0.
    """
    generator = torch.Generator().manual_seed(seed)
    size = min(size, len(real) // 2, len(made) // 2)

    def draw(features: Tensor) -> Tensor:
        return features[torch.randperm(len(features), generator=generator)[:size]].double()

    values = torch.stack([poly_mmd(draw(real), draw(made)) for _ in range(subsets)])
    return float(values.mean()), float(values.std())


def manifold_metrics(real: Tensor, made: Tensor, k: int = 5) -> dict[str, float]:
    """Tell fidelity from variety by balls around faces, each as large as the distance to its k-th nearest of its set.

    Args:
        real: (N, D), N above k, else k is N - 1.
        made: (M, D).
        k: Which neighbour.

    Returns:
        ``precision``, the share of generated faces in a real face's ball, and ``recall``, the share of real faces in a
        generated one's (Kynkäänniemi et al. 2019, https://arxiv.org/abs/1904.06991); ``density``, in how many real
        balls a generated face lies, over k, which can exceed 1, and ``coverage``, the share of real faces whose ball
        holds a generated one (Naeem et al. 2020, https://arxiv.org/abs/2002.09797).
    """
    real, made = real.double(), made.double()
    across = torch.cdist(real, made)
    in_real = across < _radii(real, k)[:, None]
    in_made = across < _radii(made, k)
    return {
        "precision": float(in_real.any(0).double().mean()),
        "recall": float(in_made.any(1).double().mean()),
        "density": float(in_real.double().sum(0).mean() / k),
        "coverage": float(in_real.any(1).double().mean()),
    }


def _radii(features: Tensor, k: int) -> Tensor:
    # Each row holds the face itself, at distance 0, which is not its neighbour.
    return torch.cdist(features, features).kthvalue(min(k + 1, len(features)), dim=1).values


def diversity(features: Tensor) -> float:
    """Give the mean distance of two faces of a set (N, D), N from 2 on; near 0 where all look alike."""
    return float(torch.pdist(features.double()).mean())


def nearest(faces: Tensor, others: Tensor, batch_size: int = 512) -> Neighbours:
    """Find for each face (N, D) its nearest one among others (M, D), by Euclidean distance."""
    index = torch.cat([torch.cdist(batch, others).argmin(1) for batch in torch.split(faces, batch_size)])
    return Neighbours(index, (faces - others[index]).norm(dim=1))  # cdist rounds what is near 0


def nearest_pixels(faces: Tensor, others: Tensor) -> Neighbours:
    """Find for each face, uint8 (N, H, W), the nearest among others, uint8 (M, H, W), or among their mirror images.

    Distances are those of pixels in [0, 1].
    """
    flat = others.flatten(1).float() / 255
    straight, mirrored = (nearest(view.flatten(1).float() / 255, flat) for view in (faces, faces.flip(2)))
    closer = mirrored.distance < straight.distance
    index = torch.where(closer, mirrored.index, straight.index)
    return Neighbours(index, torch.where(closer, mirrored.distance, straight.distance))


def copying(made: Tensor, real: Tensor, fresh: Tensor) -> dict[str, float]:
    """Judge how near generated faces are to Training faces by how near real unseen faces are.

    FER2013 holds many faces twice, in different splits. So what is nearer than all but 1% of those real faces that are
    in Training in no exact copy is a near copy: another crop or compression of the same photo.

    Args:
        made: (N,), distance of each generated face to its nearest Training face.
        real: (M,), the same of each real face.
        fresh: bool (M,), which of the real faces are no exact copies.

    Returns:
        ``threshold``, that 1st percentile; ``share`` of generated faces that are so near or nearer; ``share_real``, the
        same of all real faces; and ``median_ratio``, the generated faces' median distance over that of fresh real ones.

    Raises:
        UserError: No real face is fresh.
    """
    if not fresh.any():
        raise UserError("each face of the split stands in Training too: new faces can't be told from copies by it")
    threshold = real[fresh].quantile(0.01)
    return {
        "threshold": float(threshold),
        "share": float((made <= threshold).double().mean()),
        "share_real": float((real <= threshold).double().mean()),
        "median_ratio": float(made.median() / real[fresh].median()),
    }


def inception_fid(real: Tensor, made: Tensor, device: str = "cpu", batch_size: int = 64) -> float | str:
    """Compute FID itself, which other papers' figures can be held against, where its weights are on disk.

    It needs torch-fidelity, and a GPU: a processor takes hours.

    Args:
        real: uint8 (N, H, W): all Training faces, as is the custom.
        made: uint8 (M, H, W).
        device: Where Inception runs.
        batch_size: Faces at once.

    Returns:
        The distance; or, in words, why there is none.
    """
    weights = Path(torch.hub.get_dir(), "checkpoints", INCEPTION)
    if not weights.is_file():
        return f"no weights: {INCEPTION} is not in torch's cache"
    try:
        metric = FrechetInceptionDistance(feature_extractor_weights_path=str(weights)).to(device)
    except ModuleNotFoundError:
        return "torch-fidelity is not installed"
    for faces, is_real in ((real, True), (made, False)):
        for batch in torch.split(faces, batch_size):
            metric.update(batch[:, None].expand(-1, 3, -1, -1).to(device), real=is_real)
    return float(metric.compute())
