"""The checkpoints that the page offers; each is loaded once, on its first use."""

from collections.abc import Callable
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
        name: Of its folder.
        config: All of ``config.json``; empty where it can't be read.
        problem: Why it can't be used, in a sentence; None where it can.
    """

    name: str
    config: dict[str, Any]
    problem: str | None = None

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
        entries = [_entry(name) for name in hub.available()]
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
        known = self._known(self.classifiers, name, "classifier")
        return self._once(known, lambda: EmotionPredictor(hub.load(known), self.detector))

    def generator(self, name: str | None) -> FaceGenerator:
        """Give a generator.

        Raises:
            UserError: There is none of this name, or it is damaged.
        """
        known = self._known(self.generators, name, "generator")
        return self._once(known, lambda: FaceGenerator(hub.load(known)))

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
                try:
                    self._loaded[name] = make()
                except UserError as error:
                    raise UserError(_without_paths(str(error))) from error
            made: T = self._loaded[name]
            return made

    def _known(self, entries: list[Entry], name: str | None, kind: str) -> str:
        # Only names of the list: a stranger's name could be a path.
        if name is None or name not in [entry.name for entry in entries]:
            names = ", ".join(entry.name for entry in entries) or "none yet"
            raise UserError(f"there is no {kind} {name!r} here; choose one of: {names}")
        return name


def _entry(name: str) -> Entry:
    try:
        config = hub.describe(name)
    except UserError as error:
        return Entry(name, {}, _without_paths(str(error)))
    return Entry(name, config)


def _without_paths(sentence: str) -> str:
    """Tell visitors no path of this machine."""
    folder = hub.checkpoints_dir()
    for path in (folder.resolve(), folder):
        sentence = sentence.replace(f"{path}/", "").replace(str(path), Path(path).name)
    return sentence
