"""Parse a source once: a memory-mapped copy of the table, checked at each start."""

import errno
import hashlib
import json
import os
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_data import layouts
from fer_data.table import FaceTable

FORMAT = 1
"""Raise it when the readers change what they give, so that older caches are built again."""


def digest(*arrays: NDArray[Any] | None) -> str:
    """Give the SHA-256 of the arrays' shapes, types and content; None counts as an empty array."""
    total = hashlib.sha256()
    for array in arrays:
        array = np.empty(0) if array is None else np.ascontiguousarray(array)
        total.update(f"{array.shape}{array.dtype.str}".encode())
        total.update(array.data)
    return total.hexdigest()


def cached(source: Path) -> FaceTable:
    """Give the table of a source from the cache; read the source and fill the cache where it isn't there.

    A source whose files, sizes or times have changed is read again, and so is one whose cache is damaged. If the
    cache can't be written, the table bears a note that says so.

    Raises:
        DataError: The source is unusable.
    """
    _, path = layouts.find(source)
    state = _state(path)
    target = _home() / hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]
    table = _load(target, state)
    if table is not None:
        return table
    table = layouts.read(source)
    try:
        _store(table, target, state)
    except OSError as error:
        note = (
            f"The cache {target.parent} can't be written ({error.strerror}), so each start parses the data again. "
            "Set FER_CACHE to a folder that can."
        )
        return replace(table, notes=(*table.notes, note))
    return table


def _home() -> Path:
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("FER_CACHE") or base / "fer-lightning").expanduser()


def _state(path: Path) -> str:
    """Digest the paths, sizes and times of a source's files."""
    files = [path] if path.is_file() else [Path(folder, n) for folder, _, names in os.walk(path) for n in names]
    # os.stat is twice as fast as Path.stat; a link to nowhere is no file.
    stats = [(str(file.relative_to(path)), os.stat(file)) for file in sorted(files) if os.path.exists(file)]  # noqa: PTH110, PTH116
    return hashlib.sha256(json.dumps([(n, s.st_size, s.st_mtime_ns) for n, s in stats]).encode()).hexdigest()


def _load(target: Path, state: str) -> FaceTable | None:
    """Load the cached table; None if it isn't there, isn't of this source as it is now, or is damaged."""
    try:
        meta = json.loads((target / "meta.json").read_text())
        if (meta["format"], meta["source"]) != (FORMAT, state):
            return None
        arrays = {name: np.load(target / f"{name}.npy", mmap_mode=mode) for name, mode in meta["arrays"].items()}
        table = FaceTable(**arrays, notes=tuple(meta["notes"]))
        intact = digest(table.images, table.labels, table.usage, table.rows) == meta["sha256"]
    except Exception:  # damaged headers and JSON raise almost anything, and all of it means: build it again
        return None
    return table if intact else None


def _store(table: FaceTable, target: Path, state: str) -> None:
    """Write the cache beside its place and rename it, so that no process ever sees half of one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    fields = {"images": table.images, "labels": table.labels, "usage": table.usage, "rows": table.rows}
    arrays = {name: array for name, array in fields.items() if array is not None}
    content = digest(table.images, table.labels, table.usage, table.rows)
    meta = {
        "format": FORMAT,
        "source": state,
        "sha256": content,
        "arrays": {name: "r" if name == "images" else None for name in arrays},
        "notes": table.notes,
    }
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".new-") as new:
        built = Path(new) / "built"
        built.mkdir()
        for name, array in arrays.items():
            np.save(built / f"{name}.npy", array)
        (built / "meta.json").write_text(json.dumps(meta, indent=1))
        for file in built.iterdir():
            with file.open("rb") as handle:
                os.fsync(handle.fileno())
        _replace(target, built, Path(new) / "old")


def _replace(target: Path, built: Path, old: Path) -> None:
    # A folder can't be renamed onto one that isn't empty.
    with suppress(FileNotFoundError):
        target.rename(old)
    try:
        built.rename(target)
    except OSError as error:
        # Another process that started at the same time may have put its own there, which is as good.
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
            raise
