"""Films: read them frame after frame, follow the faces in them, and write annotated copies."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from fractions import Fraction
from itertools import count, takewhile
from math import inf
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, BinaryIO

import av
import cv2
import numpy as np
from av.stream import Disposition
from numpy.typing import NDArray

from fer_data.errors import ImageError, check_range
from fer_data.files import atomic_file, write_atomically
from fer_models.drawing import draw, png
from fer_models.films.stream import EmotionStream
from fer_models.films.timeline import Timeline, TrackSummary
from fer_models.results import FrameResult

if TYPE_CHECKING:
    from fer_models.predict import EmotionPredictor

SUFFIXES = frozenset((
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".3gp", ".wmv", ".ogv",
))  # fmt: skip
"""What counts as a film by its name."""

MAX_PIXELS = 8192 * 4320
"""The largest frame, 8K: 106 MB when decoded, and a decoder holds several."""

# Each further format or codec would be one more way in for hostile files; playlists would even open other files.
_FORMATS = ("mov", "matroska", "webm", "avi", "mpeg", "mpegts", "asf", "ogg")
_CODECS = (
    "h264", "hevc", "vp8", "libvpx", "vp9", "libvpx-vp9", "av1", "libdav1d", "mpeg4", "mpeg1video", "mpeg2video",
    "mjpeg", "h263", "prores", "theora", "vc1", "wmv1", "wmv2", "wmv3", "msmpeg4", "msmpeg4v2",
)  # fmt: skip
_OPEN = {"format_whitelist": ",".join(_FORMATS), "codec_whitelist": ",".join(_CODECS)}

_CLOCK = 90_000
"""Ticks a second of a written film's clock: whole ticks a frame for 24, 25, 30, 50, 60 and 29.97 frames a second."""

CAMERA = "camera:"
"""What the name of a camera starts with."""

Image = NDArray[np.uint8]
Frame = tuple[int, float, Image]


class FilmError(ImageError):
    """A film can't be read, is damaged, or is refused."""


class Film:
    """A film that is open for reading; made by ``open_film``.

    Attributes:
        seconds: How long it says it is; None where it doesn't say.
        damage: After reading: a sentence if something was damaged or missing, else None.
    """

    def __init__(self, container: "av.container.InputContainer", stream: "av.VideoStream", name: str) -> None:
        self._container, self._stream, self._name = container, stream, name
        self.seconds = container.duration / av.time_base if container.duration else None
        self.damage: str | None = None
        self._end, self._bad = 0.0, 0

    def frames(self, every: int = 1) -> Iterator[Frame]:
        """Decode frame after frame, upright as the film's rotation says.

        Args:
            every: Give each so manieth frame, the first one always.

        Yields:
            Number from 0, time in seconds, and uint8 (H, W, 3) RGB.

        Raises:
            FilmError: There is no frame at all, or a frame is too large.
        """
        number, time = -1, 0.0
        start = (self._container.start_time or 0) / av.time_base
        rate = float(self._stream.average_rate or 30)
        for number, frame in enumerate(self._decode()):
            time = max(time, number / rate if frame.time is None else frame.time - start)
            if number % every == 0:
                yield number, time, self._upright(frame)
        if number < 0:
            raise FilmError(f"{self._name} has no frame that can be decoded; copy it again from the original")
        self._judge(number + 1, time, start)

    def _decode(self) -> Iterator["av.VideoFrame"]:
        """Decode the pictures; of all else note where it ends."""
        packets = self._container.demux(*self._container.streams.video, *self._container.streams.audio)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except av.FFmpegError:
                self._bad += 1
                return
            self._bad += packet.is_corrupt
            if packet.pts is not None and packet.time_base is not None:
                self._end = max(self._end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
            if packet.stream is self._stream:
                try:
                    yield from self._stream.decode(packet)
                except av.FFmpegError:
                    self._bad += 1

    def _upright(self, frame: "av.VideoFrame") -> Image:
        if frame.width * frame.height > MAX_PIXELS:
            raise FilmError(_too_large(self._name, frame.width, frame.height))
        pixels = frame.to_ndarray(format="rgb24")
        return np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90)))

    def _judge(self, count: int, time: float, start: float) -> None:
        """Say whether something is missing. Sound can be longer than the pictures, so all that was read counts."""
        short = self.seconds is not None and self._end - start < 0.99 * self.seconds - 0.5
        if short or self._bad:
            said = f" of {self.seconds:.1f} s" if self.seconds else ""
            self.damage = (
                f"{self._name} is cut short or damaged: {count:,} frames up to {time:.1f} s{said} were read; "
                "copy it again from the original"
            )


class Camera:
    """A camera of this computer that is open; made by ``open_film``. Its film ends when it is unplugged."""

    seconds: float | None = None
    damage: str | None = None

    def __init__(self, capture: cv2.VideoCapture, name: str) -> None:
        self._capture, self._name = capture, name

    def frames(self, every: int = 1) -> Iterator[Frame]:
        """Give frame after frame, as ``Film.frames`` does; the time counts from the first."""
        start = monotonic()
        for number in count():
            there, pixels = self._capture.read()
            if not there:
                self.damage = f"{self._name} gives no more pictures; is it unplugged, or used by another program?"
                return
            if number % every == 0:
                yield number, monotonic() - start, np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)


@contextmanager
def open_film(source: str | Path) -> Iterator[Film | Camera]:
    """Open a film of a stranger, or a camera, e.g. ``camera:0``.

    Raises:
        FilmError: It can't be read, isn't a film, has no pictures, or they are too large.
    """
    if str(source).startswith(CAMERA):
        with _open_camera(str(source)) as camera:
            yield camera
        return
    name = f"'{source}'"
    with _open(Path(source), name) as file:
        try:
            container = av.open(file, "r", options=_OPEN)
        except Exception:  # decoders raise almost anything on hostile bytes
            file.seek(0)
            raise FilmError(f"{name} {_why_not(file.read(12))}") from None
        with container:
            yield Film(container, _pictures(container, name), name)


@contextmanager
def _open_camera(name: str) -> Iterator[Camera]:
    number = name.removeprefix(CAMERA)
    if not number.isdecimal() or len(number) > 3:
        raise FilmError(f"{name} is no camera; give {CAMERA}0 for the first one")
    before = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # it is told in a sentence below
    try:
        capture = cv2.VideoCapture(int(number))
    finally:
        cv2.utils.logging.setLogLevel(before)
    try:
        if not capture.isOpened():
            raise FilmError(f"{name} can't be opened; is it plugged in, and not used by another program?")
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # the newest picture, not one that has waited
        yield Camera(capture, name)
    finally:
        capture.release()


def _open(path: Path, name: str) -> BinaryIO:
    """Open a regular file, so that FFmpeg takes no name for an address."""
    try:
        if not path.is_file():
            what = "is a folder or a device" if path.exists() else "does not exist"
            raise FilmError(f"{name} {what}; give a film's path")
        if not path.stat().st_size:
            raise FilmError(f"{name} is empty (0 bytes); copy or upload it again")
        return path.open("rb")
    except FilmError:
        raise
    except (OSError, ValueError) as error:
        raise FilmError(f"{name} can't be read ({error}); check the path") from None


def _why_not(start: bytes) -> str:
    """Say what a file that can't be opened is, by its first bytes, and what to do."""
    if start[4:8] == b"ftyp" or start[:4] in (b"\x1aE\xdf\xa3", b"RIFF"):
        return "is damaged or cut short so that nothing of it can be read; copy it again from the original"
    return "is not a film that can be read; give an MP4, MOV, WebM, MKV or AVI file"


def _pictures(container: "av.container.InputContainer", name: str) -> "av.VideoStream":
    """Choose the stream of pictures and make it ready, or refuse it by its header."""
    found = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    if not found:
        raise FilmError(f"{name} has no pictures in it, only sound or text; give a film")
    codec = found[0].codec_context
    if codec is None or codec.name not in _CODECS:  # PyAV itself would open any
        raise FilmError(f"{name} is coded in a way that isn't supported; save it as MP4 with H.264")
    if codec.width * codec.height > MAX_PIXELS:
        raise FilmError(_too_large(name, codec.width, codec.height))
    codec.options = {"max_pixels": str(MAX_PIXELS)}  # the size can change later
    found[0].thread_type = "AUTO"
    return found[0]


def _too_large(name: str, width: int, height: int) -> str:
    return f"{name} has frames of {width:,} by {height:,} pixels, more than {MAX_PIXELS / 1e6:.3g} megapixels"


class FilmWriter:
    """Write an MP4 that browsers play: H.264, yuv420p, no sound. Use ``open_writer``."""

    def __init__(self, container: "av.container.OutputContainer", max_side: int) -> None:
        self._container, self._max_side = container, max_side
        self._stream: av.VideoStream | None = None
        self._last = -1

    def write(self, image: Image, time: float) -> None:
        """Append a frame, uint8 (H, W, 3) RGB, at its time in seconds."""
        if self._stream is None:
            self._stream = self._start(image)
        size = self._stream.width, self._stream.height
        if image.shape[1::-1] != size:
            image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        self._last = frame.pts = max(self._last + 1, round(time * _CLOCK))
        frame.time_base = Fraction(1, _CLOCK)
        self._container.mux(self._stream.encode(frame))

    def _start(self, image: Image) -> "av.VideoStream":
        """Take the first frame's size, made even, as yuv420p has one colour for 2 x 2 pixels."""
        stream = self._container.add_stream("libx264", options={"preset": "veryfast", "crf": "23"})
        shrink = min(1.0, self._max_side / max(image.shape[:2]))
        stream.height, stream.width = (max(2, round(side * shrink / 2) * 2) for side in image.shape[:2])
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, _CLOCK)
        return stream

    def finish(self) -> None:
        """Write what the encoder still holds."""
        if self._stream is not None:
            self._container.mux(self._stream.encode(None))


@contextmanager
def open_writer(path: Path, max_side: int = 1920) -> Iterator[FilmWriter]:
    """Write a film that is there whole or not at all.

    Args:
        path: The MP4 file.
        max_side: Larger frames are shrunk to this, in pixels.

    Raises:
        UserError: It can't be written.
    """
    with (
        atomic_file(path) as file,
        av.open(file.name, "w", format="mp4", options={"movflags": "faststart"}) as container,
    ):
        writer = FilmWriter(container, max_side)
        yield writer
        writer.finish()


@dataclass(frozen=True)
class FilmSummary:
    """What was found in a film.

    Attributes:
        frames: How many were looked at.
        seconds: The time of the last one.
        tracks: The faces, the longest first.
        damage: A sentence if the film was damaged or cut short; what could be read was used.
    """

    frames: int
    seconds: float
    tracks: list[TrackSummary]
    damage: str | None


def annotate_film(
    source: str | Path,
    out: Path | None,
    predictor: "EmotionPredictor",
    *,
    timeline: Path | None = None,
    on_frame: Callable[[FrameResult], None] | None = None,
    progress: Callable[[float], None] | None = None,
    every: int = 1,
    max_seconds: float | None = None,
    stop: Callable[[], bool] = lambda: False,
    max_side: int = 1920,
    smooth: float = 0.3,
    detect_every: int = 10,
    side: int = 480,
    batch_size: int = 16,
) -> FilmSummary:
    """Follow the faces of a film, in constant memory whatever its length.

    Args:
        source: The film, or a camera, e.g. ``camera:0``.
        out: Where the annotated copy goes, an MP4 for browsers, without sound; None for none.
        predictor: Names the emotions.
        timeline: Where a picture of the probabilities over time goes, a PNG; None for none.
        on_frame: Called with each frame's result, in order, e.g. to write a table.
        progress: Called now and then with the share that is done, 0..1.
        every: Use each so manieth frame.
        max_seconds: Stop at this time of the film.
        stop: Asked before each frame; True ends the film there, with all that came before.
        max_side: The annotated copy's longer side in pixels, at most.
        smooth: See ``stream.Smoother``.
        detect_every: See ``tracking.FaceTracker``; counts all frames, used or not.
        side: See ``tracking.FaceTracker``.
        batch_size: How many faces are classified at once.

    Raises:
        FilmError: The film can't be read at all, or was stopped before its first frame.
        UserError: An argument is out of its range, or a file can't be written.
    """
    check_range("every", every, 1)
    check_range("detect_every", detect_every, 1)
    viewer = EmotionStream(predictor, smooth=smooth, detect_every=max(1, detect_every // every), side=side)
    lines = Timeline()
    limit = inf if max_seconds is None else max_seconds
    with open_film(source) as film, nullcontext() if out is None else open_writer(out, max_side) as writer:
        expected = min(limit, film.seconds or inf)
        frames = takewhile(lambda frame: frame[1] < limit and not stop(), film.frames(every))
        for image, result in viewer.run(frames, batch_size):
            lines.add(result)
            if writer is not None:
                writer.write(draw(image, result.faces), result.time)
            if on_frame is not None:
                on_frame(result)
            if progress is not None:
                progress(min(1.0, result.time / expected))
        if not lines.frames:
            raise FilmError(f"'{source}' was stopped before its first frame")
    if timeline is not None:
        write_atomically(timeline, png(lines.draw()))
    return FilmSummary(lines.frames, lines.end, lines.tracks(), film.damage)
