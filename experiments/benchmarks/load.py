"""Put the demo under load: ``python experiments/benchmarks/load.py``.

Twenty programs at once call /detect and /generate of the real page for two minutes; each answer must be the one that a
lone caller gets, or that the page is busy. Then 2,000 requests, with the memory of the server after each hundred, when
all are answered: in the second half it must stay within 5% of the second quarter's median. At the end all temporary
files must go, which takes ten minutes. Server and callers share this machine. Exit status 1 says that one of these
isn't so.
"""

import os
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count, takewhile
from pathlib import Path
from statistics import median
from threading import Lock
from typing import Any

import cv2
import httpx
import numpy as np
from gradio_client import Client, handle_file
from skimage import data

from fer_data.errors import check_range, sentences
from fer_demo.safety import KEEP_SECONDS
from server import Server, serve

TOLERANCE = 0.05
"""How far memory may be off."""

Call = tuple[str, tuple[Any, ...]]


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, and exit with 1 if something isn't as it must be."""
    parser = ArgumentParser(prog="load.py", description=__doc__, allow_abbrev=False)
    parser.add_argument("--clients", type=int, default=20, help="programs that call at once (default: 20)")
    parser.add_argument("--seconds", type=float, default=120, help="for how long they call (default: 120)")
    parser.add_argument("--requests", type=int, default=2000, help="while memory is watched (default: 2000)")
    parser.add_argument("--keep", action="store_true", help="don't wait until the temporary files are gone")
    options = parser.parse_args(argv)
    with sentences():
        check_range("--clients", options.clients, 1)
        check_range("--requests", options.requests, 400)
        with serve() as server, tempfile.TemporaryDirectory() as folder:
            own = len(server.files)
            good = Load(server, options.clients, Path(folder)).run(options.seconds, options.requests)
            good = (options.keep or gone(server, own)) and good
        print(f"{os.cpu_count()} cores; load of the last minute, this included: {os.getloadavg()[0]:.1f}")
    sys.exit(not good)


class Load:
    """Callers of one server.

    Args:
        server: The page.
        clients: How many call at once.
        folder: For the files that they upload.
    """

    def __init__(self, server: Server, clients: int, folder: Path) -> None:
        self.server, self.folder = server, folder
        self.clients = [Client(server.address, verbose=False, download_files=False) for _ in range(clients)]
        self.alone = [self._answer(self.clients[0], i) for i in range(len(KINDS))]
        self.told: Counter[str] = Counter()
        self._lock = Lock()

    def run(self, seconds: float, requests: int) -> bool:
        """Do both parts; say whether all was as it must be."""
        start = time.monotonic()
        self._together(takewhile(lambda _: time.monotonic() - start < seconds, count()))
        print(f"{len(self.clients)} clients for {time.monotonic() - start:.0f} s: {dict(self.told)}", flush=True)
        right = not set(self.told) - {"as alone", "busy"}
        self.told.clear()
        memory = []
        for first in range(0, requests, 100):
            self._together(iter(range(first, min(first + 100, requests))))
            memory.append(self.server.memory)
        right = right and not set(self.told) - {"as alone", "busy"}
        quarter = len(memory) // 4
        settled = median(memory[quarter : 2 * quarter])
        off = max(abs(now / settled - 1) for now in memory[2 * quarter :])
        print(f"{requests} requests: {dict(self.told)}; memory after each hundred, when all are answered, MB:")
        print(" ".join(f"{now:.0f}" for now in memory))
        print(
            f"second half at most {off:.1%} off the second quarter's median; {len(self.server.files)} temporary files"
        )
        return right and off <= TOLERANCE

    def _together(self, numbers: Iterator[int]) -> None:
        """Let all clients call at once, each for the next number as soon as it is free, and wait for the answers."""

        def call(client: Client) -> None:
            while (number := self._next(numbers)) is not None:
                said = self._said(client, number)
                with self._lock:
                    self.told[said] += 1

        with ThreadPoolExecutor(len(self.clients)) as pool:
            list(pool.map(call, self.clients))

    def _next(self, numbers: Iterator[int]) -> int | None:
        with self._lock:
            return next(numbers, None)

    def _said(self, client: Client, number: int) -> str:
        try:
            return "as alone" if self._answer(client, number) == self.alone[number % len(KINDS)] else "otherwise"
        except httpx.HTTPStatusError as error:
            return "busy" if error.response.status_code == 429 else str(error)
        except Exception as error:  # what it is gets counted
            return f"{type(error).__name__}: {error}"

    def _answer(self, client: Client, number: int) -> Any:
        """Give the part of an answer that doesn't depend on the time."""
        name, arguments = KINDS[number % len(KINDS)](number, self.folder)
        while client.stream_open:  # gradio_client drops a call that begins while the stream of its last one closes
            time.sleep(0.01)
        _, told = client.predict(*arguments, api_name=name)
        return told["faces"]


def detect(width: int, mirrored: bool) -> Callable[[int, Path], Call]:
    """Give calls with a photo of one face; each uploads another file, with the same pixels."""
    picture = cv2.resize(np.asarray(data.astronaut(), np.uint8), (width, width), interpolation=cv2.INTER_AREA)  # type: ignore[no-untyped-call]
    _, content = cv2.imencode(".png", np.ascontiguousarray(picture[:, :: -1 if mirrored else 1, ::-1]))

    def call(number: int, folder: Path) -> Call:
        path = folder / f"{number}.png"
        path.write_bytes(content.tobytes() + number.to_bytes(8))
        return "/detect", (handle_file(path), "cnn")

    return call


def generate(emotion: str) -> Callable[[int, Path], Call]:
    """Give calls for three faces."""
    return lambda *_: ("/generate", ("cgan", emotion, 3, 7, 0.8))


KINDS = [detect(200, False), detect(200, True), detect(256, False), generate("happy"), generate("sad")]


def gone(server: Server, own: int) -> bool:
    """Wait until there are no more temporary files than the page's own; say whether that came."""
    start = time.monotonic()
    while len(server.files) > own and time.monotonic() - start < KEEP_SECONDS + 130:
        time.sleep(5)
    print(f"{len(server.files)} temporary files after {time.monotonic() - start:.0f} s without a request")
    return len(server.files) <= own


if __name__ == "__main__":
    main()
