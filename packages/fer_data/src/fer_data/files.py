"""Files that are there whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from fer_data.errors import UserError


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file beside its target; flush it and rename it into place at the end, or leave the target as it was.

    What a kill leaves beside the target, the next try overwrites.

    Raises:
        UserError: It can't be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise UserError(f"could not write {path} ({error.strerror or error}): is there room and permission?") from error
    finally:
        if part.parent.is_dir():
            part.unlink(missing_ok=True)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file's whole content."""
    with atomic_file(path) as file:
        file.write(content)
