"""The checkpoints that the page offers; each is loaded once, on its first use."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import Any, TypeVar

from fer_data.errors import UserError
from fer_data.faces import FaceDetector
from fer_models import hub
from fer_models.generate import FaceGenerator
from fer_models.networks import CLASSIFIERS, GENERATORS
from fer_models.networks.base import Inverter
from fer_models.predict import EmotionPredictor

T = TypeVar("T")


@dataclass(frozen=True)
class Entry:
    """A checkpoint of the list.

    Attributes:
        folder: Where it lies; its name is what visitors choose.
        config: All of ``config.json``; empty where it can't be read.
        problem: Why it can't be used, in a sentence; None where it can.
    """

    folder: Path
    config: dict[str, Any]
    problem: str | None = None

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self.folder.name

    @property
    def generates(self) -> bool:
        """Whether it makes faces."""
        return self.config.get("model") in GENERATORS

    @property
    def inverts(self) -> bool:
        """Whether it can start from a given face."""
        return self.generates and issubclass(GENERATORS[self.config["model"]], Inverter)

    @property
    def score(self) -> float | None:
        """The accuracy of a classifier or the FD-FER of a generator on PrivateTest; None where nobody measured it."""
        test = self.config.get("metrics", {}).get("test", {})
        found = test.get("sets", {}).get("generated", {}).get("fd_fer") if self.generates else test.get("accuracy")
        return float(found) if isinstance(found, int | float) else None

    @property
    def figure(self) -> str:
        """The score in words."""
        if self.score is None:
            return "not judged"
        return f"FD-FER {self.score:.2f}" if self.generates else f"{self.score:.1%} accuracy"

    @property
    def label(self) -> str:
        """The name with its score."""
        return f"{self.name} ({self.figure})"


class Models:
    """Classifiers and generators by name. Threads can share one."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._loaded: dict[str, Any] = {}
        entries = [_entry(folder) for folder in hub.checkpoints().values()]
        usable = [entry for entry in entries if entry.problem is None and entry.config.get("role") != "encoder"]
        self.broken = [entry for entry in entries if entry.problem is not None]
        classifiers = [entry for entry in usable if entry.config["model"] in CLASSIFIERS]
        self.classifiers = sorted(classifiers, key=lambda entry: -(entry.score or 0))
        generators = [entry for entry in usable if entry.generates]
        self.generators = sorted(generators, key=lambda entry: entry.score if entry.score is not None else float("inf"))

    @property
    def best(self) -> str | None:
        """The classifier of the highest accuracy; None where there is none."""
        return self.classifiers[0].name if self.classifiers else None

    def predictor(self, name: str | None) -> EmotionPredictor:
        """Give a classifier.

        Raises:
            UserError: There is none of this name, or it is damaged.
        """
        entry = _known(self.classifiers, name, "classifier")
        return self._once(entry.name, lambda: EmotionPredictor(_load(entry), self.detector))

    def generator(self, name: str | None) -> FaceGenerator:
        """Give a generator.

        Raises:
            UserError: There is none of this name, or it is damaged.
        """
        entry = _known(self.generators, name, "generator")
        return self._once(entry.name, lambda: FaceGenerator(_load(entry)))

    @property
    def detector(self) -> FaceDetector:
        """The face detector, which all classifiers share."""
        return self._once("", FaceDetector)

    def warm_up(self) -> None:
        """Load what most visitors use first, which takes seconds."""
        if self.best is not None:
            self.predictor(self.best)

    def _once(self, name: str, make: Callable[[], T]) -> T:
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = make()
            made: T = self._loaded[name]
            return made


def _entry(folder: Path) -> Entry:
    try:
        return Entry(folder, hub.describe(str(folder)))
    except UserError as error:
        return Entry(folder, {}, _without_path(str(error), folder))


def _known(entries: Sequence[Entry], name: str | None, kind: str) -> Entry:
    """Find an entry: only names of the list are taken, as a stranger's could be a path."""
    for entry in entries:
        if entry.name == name:
            return entry
    names = ", ".join(entry.name for entry in entries) or "none yet"
    raise UserError(f"there is no {kind} {name!r} here; choose one of: {names}")


def _load(entry: Entry) -> hub.Checkpoint:
    try:
        return hub.load(str(entry.folder))
    except UserError as error:
        raise UserError(_without_path(str(error), entry.folder)) from error


def _without_path(sentence: str, folder: Path) -> str:
    """Tell visitors no path of this machine."""
    return sentence.replace(str(folder), folder.name)
