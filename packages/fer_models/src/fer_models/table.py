"""Predictions as a CSV file: a row for each face of each frame, which a stopped run can go on with."""

import csv
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from fer_data.emotions import EMOTIONS
from fer_data.errors import UserError
from fer_models.results import FacePrediction, FrameResult

COLUMNS = ("file", "frame", "time", "track", "x1", "y1", "x2", "y2", "score", "emotion", *EMOTIONS, "error")
"""``frame`` counts from 0, ``time`` is in seconds, the box in pixels; photos have no frame, time and track. A photo or
a frame without a face has one row without a box, and what could not be read one row with its ``error``."""

_ENCODING = {"encoding": "utf-8", "errors": "surrogateescape"}  # a file's name can be any bytes


class ResultTable:
    """Write predictions to a CSV file as they come; a context manager.

    Args:
        path: The file.
        resume: Go on with one that is there: ``done`` are the files in it. The last of them is taken out again, as
            nobody knows whether a run that was killed had finished it.

    Raises:
        UserError: The file can't be written, holds something else, or is there already without ``resume``.
    """

    def __init__(self, path: Path, *, resume: bool = False) -> None:
        self.path = path
        self.done: set[str] = set()
        if path.exists() and not resume:
            raise UserError(f"{path} is there already: go on with it by --resume, or give another name")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            end = self._find_end() if path.exists() else 0
            self._file = path.open("a", newline="", **_ENCODING)  # type: ignore[call-overload]
            self._file.truncate(end)
        except OSError as error:
            raise UserError(f"could not write {path} ({error.strerror}): is there room and permission?") from error
        self._writer = csv.writer(self._file, lineterminator="\n")
        if not end:
            self._write([COLUMNS])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def has(self, file: str) -> bool:
        """Tell whether an earlier run has done this file."""
        return _one_line(file) in self.done

    def add_photo(self, file: str, faces: Sequence[FacePrediction]) -> None:
        """Write a photo's faces."""
        self._add(file, ("", ""), faces)

    def add_frame(self, file: str, result: FrameResult) -> None:
        """Write the faces of a frame of a film."""
        self._add(file, (result.frame, f"{result.time:.3f}"), result.faces)

    def add_error(self, file: str, error: str) -> None:
        """Write why a file could not be read, or not to its end."""
        self._write([(_one_line(file), *[""] * (len(COLUMNS) - 2), _one_line(error))])

    def _add(self, file: str, when: tuple[object, object], faces: Sequence[FacePrediction]) -> None:
        start = (_one_line(file), *when)
        rows = [(*start, *_cells(face), "") for face in faces]
        self._write(rows or [(*start, *[""] * (len(COLUMNS) - 3))])

    def _write(self, rows: Sequence[Sequence[object]]) -> None:
        self._writer.writerows(rows)
        self._file.flush()

    def _find_end(self) -> int:
        """Give the byte at which the last file's rows start, and note the files before it; 0 for an empty table."""
        position, start, last = 0, 0, None
        with self.path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break  # a killed run left it unfinished
                cells = next(csv.reader([line.decode(**_ENCODING)])) or [""]
                if position == 0 and tuple(cells) != COLUMNS:
                    raise UserError(f"{self.path} is not a table of this program: give another name")
                if position and cells[0] != last:
                    self.done |= set() if last is None else {last}
                    start, last = position, cells[0]
                position += len(line)
        return start or position


def _cells(face: FacePrediction) -> tuple[object, ...]:
    box = (f"{x:.1f}" for x in face.face.box)
    track = "" if face.track is None else face.track
    return (track, *box, f"{face.face.score:.4f}", face.emotion, *(f"{p:.4f}" for p in face.probabilities.values()))


def _one_line(text: str) -> str:
    """Keep a row on one line, whatever a file's name has in it."""
    return text.replace("\r", "\\r").replace("\n", "\\n")
