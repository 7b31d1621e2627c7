"""Where a result comes from: code and machine."""

import os
import platform
import subprocess
from pathlib import Path

import torch


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
