"""The page in a process of its own, and what it takes of the machine (read from Linux' /proc)."""

import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fer_data.errors import UserError

APP = Path(__file__).resolve().parents[2] / "apps" / "gradio_demo" / "app.py"


@dataclass(frozen=True)
class Server:
    """A running page.

    Attributes:
        address: Where it is, e.g. ``http://127.0.0.1:7860``.
        pid: Of its process.
        folder: Holds what it prints (``log``) and what was uploaded and made (``files``).
    """

    address: str
    pid: int
    folder: Path

    @property
    def memory(self) -> float:
        """Resident memory now, in MB."""
        return self._status("VmRSS")

    @property
    def peak(self) -> float:
        """The most resident memory since the start, or since ``forget_peak``, in MB."""
        return self._status("VmHWM")

    def forget_peak(self) -> None:
        """Let ``peak`` begin anew."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    @property
    def processor_seconds(self) -> float:
        """Time on processors since the start, all threads together; 0.01 s are the smallest step."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def files(self) -> list[Path]:
        """What was uploaded and made, and isn't deleted yet."""
        return [path for path in (self.folder / "files").rglob("*") if path.is_file()]

    @property
    def log(self) -> str:
        """What it has printed."""
        return (self.folder / "log").read_text(errors="replace")

    def _status(self, field: str) -> float:
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition(f"{field}:")[2].split()[0]) / 1000


@contextmanager
def serve(port: int | None = None) -> Iterator[Server]:
    """Start the page, by default on a free port; stop it at the end.

    Raises:
        UserError: It didn't start.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, Path(folder, "log").open("wb") as log:
        Path(folder, "files").mkdir()
        process = subprocess.Popen(
            [sys.executable, "-u", str(APP), "--port", str(port or _free_port())],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "TMPDIR": str(Path(folder, "files"))},
        )
        try:
            yield Server(_address(process, Path(folder, "log")), process.pid, Path(folder))
        finally:
            process.terminate()
            process.wait()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Wait until the page says where it is."""
    while process.poll() is None:
        if found := re.search(r"http://[\w.:]+", log.read_text(errors="replace")):
            return found[0]
        time.sleep(0.1)
    raise UserError(f"the page did not start: {log.read_text(errors='replace').strip()}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
