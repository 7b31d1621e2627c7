"""What a published network runs on: torch, or onnxruntime, which is about twice as fast on a CPU."""

import hashlib
from pathlib import Path
from typing import Literal, Protocol, get_args

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from fer_data.errors import UserError
from fer_models import hub

BackendName = Literal["auto", "torch", "onnx", "onnx-int8"]
BACKENDS: tuple[BackendName, ...] = get_args(BackendName)
"""``auto`` takes onnx on a CPU where the checkpoint has it, else torch; 8 bits, which change answers, by name only."""

_FILES = {"onnx": hub.ONNX, "onnx-int8": hub.ONNX_INT8}


class Backend(Protocol):
    """A network's ``forward``, on arrays. Threads can share one."""

    def __call__(self, **inputs: NDArray[np.generic]) -> NDArray[np.float32]:
        """Map the arguments of the network's ``forward``, by their names, to what it gives."""


class TorchBackend:
    """Run a checkpoint's network in torch.

    Args:
        checkpoint: In evaluation mode.
        device: Where it runs, e.g. ``cpu`` or ``cuda``.
    """

    def __init__(self, checkpoint: hub.Checkpoint, device: str = "cpu") -> None:
        self.network, self.device = hub.place(checkpoint.network, device), device

    def __call__(self, **inputs: NDArray[np.generic]) -> NDArray[np.float32]:
        """Run."""
        tensors = {name: torch.from_numpy(values).to(self.device) for name, values in inputs.items()}
        with torch.inference_mode():
            found: NDArray[np.float32] = self.network(**tensors).float().cpu().numpy()
        return found


class OnnxBackend:
    """Run an ONNX file of ``experiments/export.py --format onnx`` in onnxruntime, on the CPU.

    Args:
        path: The file.
        weights: What ``weights_sha256`` gives for the weights that it must have been made of.

    Raises:
        CheckpointError: The file is missing, damaged, or made of other weights than those that lie beside it.
    """

    def __init__(self, path: Path, weights: str) -> None:
        if not path.is_file():
            raise hub.CheckpointError(
                f"there is no {path}: make it with `python experiments/export.py {path.parent} --format onnx`"
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # it would starve other work
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # a stranger's file can hold anything
            raise hub.CheckpointError(f"{path} is damaged ({error}): fetch or export it again") from error
        if self._session.get_modelmeta().custom_metadata_map.get("weights_sha256") != weights:
            raise hub.CheckpointError(f"{path} was made of other weights than {hub.WEIGHTS} beside it: export it again")
        self._names = [given.name for given in self._session.get_inputs()]

    def __call__(self, **inputs: NDArray[np.generic]) -> NDArray[np.float32]:
        """Run; an input that the network doesn't look at is not in the file, and left out."""
        found: NDArray[np.float32] = self._session.run(None, {name: inputs[name] for name in self._names})[0]
        return found


def weights_sha256(folder: Path) -> str:
    """Give the SHA-256 of the weights of a checkpoint folder."""
    return hashlib.sha256((folder / hub.WEIGHTS).read_bytes()).hexdigest()


def backend_of(checkpoint: hub.Checkpoint, name: str = "auto", device: str = "cpu") -> Backend:
    """Make the backend of a checkpoint.

    Args:
        checkpoint: As loaded.
        name: One of ``BACKENDS``.
        device: E.g. ``cpu`` or ``cuda``; onnxruntime runs on the CPU alone.

    Raises:
        UserError: There is no such backend or device, or they don't go together, or the checkpoint has no such file.
    """
    if name not in BACKENDS:
        raise UserError(f"there is no backend {name!r}: choose one of {', '.join(BACKENDS)}")
    folder = checkpoint.folder
    if name == "torch" or (name == "auto" and (device != "cpu" or not folder or not (folder / hub.ONNX).is_file())):
        return TorchBackend(checkpoint, device)
    if device != "cpu":
        raise UserError(f"the backend {name} runs on the CPU alone: leave out the device {device}, or choose torch")
    if folder is None:
        raise UserError(f"the backend {name} needs a published checkpoint, which {checkpoint.name} is not")
    return OnnxBackend(folder / _FILES.get(name, hub.ONNX), weights_sha256(folder))
