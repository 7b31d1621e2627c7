"""Where a result comes from: code and machine."""

import os
import platform
import subprocess
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save

if TYPE_CHECKING:
    from fer_models.hub import Checkpoint


def commit() -> str | None:
    """Give the git commit of the code, with ``+changes`` where files differ from it; None outside a checkout."""
    here = Path(__file__).parent

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def machine() -> str:
    """Describe what training runs on: processor, whether it has bf16 matrix units (AMX), GPUs, torch's version."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    cpu = names[0] if names else platform.processor() or platform.machine()
    amx = " with AMX" if any("amx_bf16" in line for line in lines) else ""
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return ", ".join([f"{os.cpu_count()} cores of {cpu}{amx}", *gpus, f"torch {torch.__version__}"])


def origin(name: str, checkpoint: "Checkpoint") -> dict[str, Any]:
    """Tell where weights come from that another training builds on.

    Returns:
        The ``name`` they were asked for by, their ``model``, whether they began with ImageNet's weights
        (``pretrained``), the weight that FER+'s votes had (``ferplus_weight``), their hash (``sha256``); JSON builtins.
    """
    training = checkpoint.config.get("training", {})
    return {
        "name": name,
        "model": checkpoint.config["model"],
        "pretrained": bool(training.get("pretrained")),
        "ferplus_weight": training.get("ferplus_weight") or 0.0,
        "sha256": sha256(save(checkpoint.network.state_dict())).hexdigest(),
    }
