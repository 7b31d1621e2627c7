"""What keeps a page that strangers send files to whole: limits, checks before anything is decoded, sentences."""

import asyncio
import base64
import binascii
import logging
import shutil
import tempfile
import time
from abc import ABCMeta
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

import cv2
import gradio as gr
import numpy as np
from gradio import processing_utils
from gradio.component_meta import ComponentMeta
from gradio.data_classes import ImageData
from gradio.utils import get_upload_folder
from numpy.typing import NDArray
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fer_data.errors import ImageError, UserError
from fer_data.images import decode

PHOTO_BYTES, PHOTO_PIXELS, PHOTO_SIDE = 20_000_000, 24_000_000, 1600
"""A photo's largest file and size (phones take 12 megapixels), and the longer side in pixels that it is shrunk to."""

FILM_BYTES, FILM_SECONDS = 100_000_000, 60
"""A film's largest file, and how much of it is looked at."""

CALL_BYTES = 1_000_000
"""The largest request that isn't an upload."""

KEEP_SECONDS, SWEEP_SECONDS = 600, 60
"""How long uploaded and made files stay on the server's disk, and how often older ones are looked for."""

SESSIONS = 500
"""So many visitors, or calls of programs, are remembered, each with a copy of the page's settings (160 kB) and what its
faces take. Gradio would keep 10,000."""

WAITING = 24
"""How many clicks of visitors may wait for their turn."""


@contextmanager
def sentences() -> Iterator[None]:
    """Show an error as one sentence on the page; also a decorator."""
    try:
        yield
    except gr.Error:
        raise
    except UserError as error:
        text = str(error)
        raise gr.Error(text[:1].upper() + text[1:] + ".", print_exception=False, title="That didn't work") from None
    except Exception:
        logging.exception("a handler of the page failed")
        raise gr.Error(
            "Something went wrong on the server, and it was noted there. Try again, or try another file.",
            print_exception=False,
        ) from None


class _Meta(ComponentMeta):
    """Make a component as Gradio does, but without the stub file that it writes beside a component's source."""

    def __new__(cls, name: str, bases: tuple[type, ...], attributes: dict[str, Any]) -> Any:
        return ABCMeta.__new__(cls, name, bases, attributes)


class Photo(gr.Image, metaclass=_Meta):
    """A picture of a stranger: checked before it is decoded, and given to handlers as uint8 (H, W, 3) RGB.

    Gradio's own component decodes whatever Pillow opens, at any size.
    """

    def get_block_name(self) -> str:
        """Let the browser show a gr.Image."""
        return "image"

    def preprocess(self, payload: ImageData | None) -> NDArray[np.uint8] | None:
        """Decode, turn upright, and shrink to 1600 pixels."""
        if payload is None:
            return None
        with sentences():
            image = decode(_content(payload), max_pixels=PHOTO_PIXELS, max_bytes=PHOTO_BYTES, max_side=PHOTO_SIDE)
            return _shrunk(image)


class CameraPhoto(Photo):
    """A frame of a camera: Gradio writes it to a file, which goes as soon as it is read."""

    def preprocess(self, payload: ImageData | None) -> NDArray[np.uint8] | None:
        """Decode, and delete the file."""
        try:
            return super().preprocess(payload)
        finally:
            if payload is not None and payload.path and not (payload.url or "").startswith("data:"):
                frame = uploaded(payload.path)
                frame.unlink(missing_ok=True)
                if frame.parent != Path(get_upload_folder()).resolve():
                    shutil.rmtree(frame.parent, ignore_errors=True)  # Gradio makes a folder for each file


def uploaded(path: str) -> Path:
    """Give the path of a file that somebody uploaded.

    Raises:
        ImageError: It lies elsewhere: somebody asks for a file of the server.
    """
    folder = Path(get_upload_folder()).resolve()
    found = Path(path.replace("\0", "")).resolve()
    if not found.is_relative_to(folder):
        raise ImageError("only files that were uploaded here can be used; upload yours again")
    return found


def _content(payload: ImageData) -> bytes:
    if payload.url and payload.url.startswith("data:"):
        try:
            return base64.b64decode(payload.url.partition(",")[2], validate=True)
        except (binascii.Error, ValueError):
            raise ImageError("the picture's data is damaged; upload it as a file") from None
    if not payload.path:
        raise ImageError("there is no picture in what was sent; upload a file")
    try:
        with uploaded(payload.path).open("rb") as file:
            return file.read(PHOTO_BYTES + 1)
    except OSError:
        raise ImageError(
            f"the picture is gone: files are kept for {KEEP_SECONDS // 60} minutes; upload it again"
        ) from None


def _shrunk(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    scale = PHOTO_SIDE / max(image.shape[:2])
    if scale >= 1:
        return image
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def fetch_nothing() -> None:
    """Keep Gradio from fetching addresses: any input of its endpoints can be given as one."""
    processing_utils.async_ssrf_protected_get = _refuse


async def _refuse(url: str) -> NoReturn:
    raise gr.Error("This page fetches nothing from the internet: upload the file instead.", print_exception=False)


def say_busy(page: gr.Blocks) -> None:
    """Tell who comes while the queue is full how many wait (HTTP 429); Gradio's own answer doesn't."""
    push = page._queue.push

    async def pushed(body: Any, request: Any, username: str | None) -> Any:
        answer = await push(body, request, username)
        if answer[2] == "queue_full":
            said = f"The page is busy: {len(page._queue)} are waiting already. Try again in a minute."
            raise HTTPException(429, said, {"Retry-After": "60"})
        return answer

    page._queue.push = pushed  # type: ignore[method-assign]


def sweeper(page: gr.Blocks) -> Callable[[Any], AbstractAsyncContextManager[None]]:
    """Delete old temporary files while the page is served, and all at the end.

    Gradio's own ``delete_cache`` stops for good when a file is uploaded while it looks, and leaves the folders.
    """

    async def again_and_again() -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            await asyncio.to_thread(sweep, page, KEEP_SECONDS)

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        task = asyncio.create_task(again_and_again())
        yield
        task.cancel()
        sweep(page, 0)

    return lifespan


def sweep(page: gr.Blocks, age: float) -> None:
    """Delete files and empty folders that nobody touched for ``age`` seconds, but not the page's own examples."""
    own = {Path(file) for block in page.blocks.values() for file in getattr(block, "keep_in_cache", ())}
    for path in sorted(Path(get_upload_folder()).rglob("*"), reverse=True):  # what is in a folder before it
        with suppress(OSError):  # a folder with something in it, or somebody else was faster
            if path not in own and time.time() - path.lstat().st_ctime >= age:
                path.rmdir() if path.is_dir() else path.unlink()


class BodyLimit:
    """Refuse requests that are larger than anything the page sends (HTTP 413), before they are in memory.

    An upload that Gradio stumbles over, such as a file without a name, is refused too (HTTP 400).
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, counting what comes in."""
        uploads = scope.get("path", "").endswith("/upload")
        left = FILM_BYTES + CALL_BYTES if uploads else CALL_BYTES

        async def counted() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise HTTPException(413, "This is too large: send a smaller file.")
            return message

        try:
            await self.app(scope, counted, send)
        except Exception as error:
            if not uploads:
                raise
            logging.warning("an upload was refused: %s", error)
            await PlainTextResponse("This upload can't be read: send one file that has a name.", 400)(
                scope, receive, send
            )


def temporary_folder() -> Path:
    """Make a folder whose files can be shown on the page, and are deleted with the uploaded ones."""
    return Path(tempfile.mkdtemp(dir=get_upload_folder()))
