"""Networks as ONNX files, for onnxruntime and whatever else reads them; for export.py, not for serving."""

import json
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from fer_data.errors import UserError
from fer_data.files import write_atomically
from fer_models import hub
from fer_models.backends import Backend, OnnxBackend, TorchBackend, weights_sha256
from fer_models.networks.base import Generator

TOLERANCE = 1e-4
"""How far logits, or pixels in [-1, 1], may be from torch's."""

_CALIBRATION_FACES, _CALIBRATION_BATCH = 512, 32


def write_onnx(folder: Path) -> float:
    """Write the network of a checkpoint folder as ``model.onnx`` beside its weights, and check it against torch.

    The size of the batch is free; names of inputs are those of ``forward``. The file's metadata tell the network, its
    ``Preprocess`` and emotions as JSON, and the SHA-256 of the weights.

    Args:
        folder: Of a published checkpoint; an int8 file of earlier weights is taken away.

    Returns:
        The largest difference from torch's answers that was seen.

    Raises:
        UserError: The folder holds no checkpoint, or onnxruntime's answers are too far from torch's.
    """
    checkpoint = hub.load(str(folder))
    with tempfile.TemporaryDirectory() as elsewhere:
        path = Path(elsewhere, hub.ONNX)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch's exporter about its own inside
            program = torch.onnx.export(
                checkpoint.network,
                kwargs={name: torch.from_numpy(values) for name, values in examples(checkpoint, 2).items()},
                dynamo=True,
                dynamic_shapes={name: {0: torch.export.Dim.DYNAMIC} for name in examples(checkpoint, 2)},
                verbose=False,
            )
        if program is None:
            raise UserError(f"torch gave no ONNX program of {folder}")
        model = program.model_proto
        onnx.helper.set_model_props(model, metadata(checkpoint, folder))
        path.write_bytes(model.SerializeToString())
        error = difference(checkpoint, OnnxBackend(path, weights_sha256(folder)))
        if not error <= TOLERANCE:
            raise UserError(f"onnxruntime's answers are {error:.2g} from torch's, more than {TOLERANCE}: not written")
        (folder / hub.ONNX_INT8).unlink(missing_ok=True)
        write_atomically(folder / hub.ONNX, path.read_bytes())
    return error


def write_int8(folder: Path, faces: NDArray[np.uint8]) -> None:
    """Write a classifier's ``model.onnx`` in 8 bits as ``model.int8.onnx``.

    Weights are signed with a scale a channel, activations unsigned with ranges that are seen on faces (static
    quantisation, https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html).

    Args:
        folder: Of a published checkpoint, with ``model.onnx``.
        faces: uint8 (N, H, W), of Training; the first 512 are looked at.
    """
    checkpoint = hub.load(str(folder))
    with tempfile.TemporaryDirectory() as elsewhere:
        prepared, path = Path(elsewhere, "prepared.onnx"), Path(elsewhere, hub.ONNX_INT8)
        quant_pre_process(str(folder / hub.ONNX), str(prepared))
        quantize_static(
            str(prepared),
            str(path),
            _Faces(checkpoint, faces[:_CALIBRATION_FACES]),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
        )
        model = onnx.load(path)
        onnx.helper.set_model_props(model, metadata(checkpoint, folder))
        write_atomically(folder / hub.ONNX_INT8, model.SerializeToString())


def metadata(checkpoint: hub.Checkpoint, folder: Path) -> dict[str, str]:
    """Give what an ONNX file tells about itself."""
    told = {"preprocess": checkpoint.preprocess.to_dict(), "labels": checkpoint.labels}
    texts = {key: json.dumps(value) for key, value in told.items()}
    return {"model": checkpoint.config["model"], "weights_sha256": weights_sha256(folder), **texts}


def examples(checkpoint: hub.Checkpoint, n: int, seed: int = 0) -> dict[str, NDArray[Any]]:
    """Draw inputs of a network, by the names of ``forward``'s arguments."""
    draw, network = np.random.default_rng(seed), checkpoint.network
    if isinstance(network, Generator):
        return {
            "z": draw.standard_normal((n, network.latent_dim), np.float32),
            "label": draw.integers(0, len(checkpoint.labels), n),
        }
    side = network.input_size
    return {"image": draw.standard_normal((n, network.input_channels, side, side), np.float32)}


def difference(checkpoint: hub.Checkpoint, theirs: Backend) -> float:
    """Give the largest difference between a backend's and torch's answers, for several sizes of batch."""
    ours = TorchBackend(checkpoint)
    batches = [examples(checkpoint, n, seed=n) for n in (1, 3, 16)]
    return max(float(np.abs(ours(**batch) - theirs(**batch)).max()) for batch in batches)


class _Faces(CalibrationDataReader):  # type: ignore[misc]
    """Faces as onnxruntime's quantisation asks for them."""

    def __init__(self, checkpoint: hub.Checkpoint, faces: NDArray[np.uint8]) -> None:
        self._batches = self._prepared(checkpoint, faces)

    @staticmethod
    def _prepared(checkpoint: hub.Checkpoint, faces: NDArray[np.uint8]) -> Iterator[dict[str, NDArray[np.float32]]]:
        for start in range(0, len(faces), _CALIBRATION_BATCH):
            part = faces[start : start + _CALIBRATION_BATCH]
            yield {"image": np.stack([checkpoint.preprocess(face) for face in part])}

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        """Give the next batch; None at the end."""
        return next(self._batches, None)
