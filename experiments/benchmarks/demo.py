"""Time the demo in a real browser: ``python experiments/benchmarks/demo.py``.

From a photo of 1280x720 with one face to the answer (the upload too), from the click on Generate to 16 faces,
and the frames a second of the webcam tab at 640x480. Server and browser share this machine. Needs Chromium.
"""

import os
import shutil
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from statistics import median

import cv2
import numpy as np
from playwright.sync_api import Page, expect, sync_playwright
from skimage import data

from fer_data.errors import UserError, sentences
from server import serve

OPTIONS = ["--no-sandbox", "--disable-gpu", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
WAIT = 120_000


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = ArgumentParser(prog="demo.py", description=__doc__, allow_abbrev=False)
    parser.add_argument("--repeat", type=int, default=10, help="times that each click is timed (default: 10)")
    parser.add_argument("--seconds", type=float, default=20, help="how long frames are counted (default: 20)")
    parser.add_argument("--port", type=int, default=7999, help="of the page (default: 7999)")
    options = parser.parse_args(argv)
    with sentences(), tempfile.TemporaryDirectory() as folder, serve(options.port) as server:
        photo, camera = Path(folder, "photo.jpg"), Path(folder, "camera.mjpeg")
        photo.write_bytes(frame(1280, 720, 0))
        camera.write_bytes(b"".join(frame(640, 480, round(20 * np.sin(i / 8))) for i in range(50)))
        with visit(server.address, camera) as page:
            report("photo to answer, 1280x720, one face", times(options.repeat, detect(page, photo)))
            if page.get_by_role("tab", name="Generate").count():
                report("click to 16 faces", times(options.repeat, generate(page)))
            print(f"webcam, 640x480: {frames_per_second(page, options.seconds):.1f} frames a second")
    print(f"{os.cpu_count()} cores; load of the last minute, this included: {os.getloadavg()[0]:.1f}")


def frame(width: int, height: int, shift: int) -> bytes:
    """Give a JPEG of the astronaut before a gray wall."""
    picture = np.full((height, width, 3), 170, np.uint8)
    person = data.astronaut()  # type: ignore[no-untyped-call]
    person = cv2.resize(person, (height, height), interpolation=cv2.INTER_AREA)
    left = (width - height) // 2 + shift
    picture[:, left : left + height] = person
    _, content = cv2.imencode(".jpg", picture[..., ::-1])
    return content.tobytes()


@contextmanager
def visit(address: str, camera: Path) -> Iterator[Page]:
    """Open the page in Chromium with a film in place of a camera."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise UserError("there is no Chromium: apt-get install chromium")
    expect.set_options(timeout=WAIT)
    with sync_playwright() as playwright:
        options = [*OPTIONS, f"--use-file-for-fake-video-capture={camera}"]
        browser = playwright.chromium.launch(executable_path=chromium, args=options)
        page = browser.new_context(permissions=["camera"]).new_page()
        page.set_default_timeout(WAIT)
        page.goto(address)
        yield page
        browser.close()


def times(repeat: int, act: Callable[[], None]) -> list[float]:
    """Give the seconds of each of so many acts, after one that isn't counted."""
    seconds = []
    for _ in range(repeat + 1):
        start = time.perf_counter()
        act()
        seconds.append(time.perf_counter() - start)
    return seconds[1:]


def report(what: str, seconds: Sequence[float]) -> None:
    """Print a line."""
    print(f"{what}: median {median(seconds):.2f} s, {min(seconds):.2f} to {max(seconds):.2f} s, n={len(seconds)}")


def detect(page: Page, photo: Path) -> Callable[[], None]:
    """Upload a photo, and give the click on Detect up to the bars."""
    page.get_by_role("tab", name="Upload").click()

    def act() -> None:
        remove = page.locator("#photo").get_by_label("Remove Image")
        if remove.count():
            remove.click()
        page.set_input_files("#photo input[type=file]", photo)
        expect(page.locator("#said")).to_contain_text("Now press Detect")
        page.click("#detect")
        expect(page.locator("#said")).to_contain_text("1 face in")

    return act


def generate(page: Page) -> Callable[[], None]:
    """Ask for 16 faces, and give the click on Generate up to the last of them."""
    page.get_by_role("tab", name="Generate").click()
    page.locator("#number input[type=number]").fill("16")
    page.locator("#number input[type=number]").press("Tab")

    seeds = count(1)

    def act() -> None:
        first = page.locator("#made .fer-face").first
        before = first.get_attribute("src") if first.count() else None
        page.locator("#seed input").fill(str(next(seeds)))
        page.click("#make")
        page.wait_for_function(
            "old => document.querySelector('#made .fer-face')?.src != (old || undefined)", arg=before
        )
        expect(page.locator("#made .fer-grid").first.locator(".fer-face")).to_have_count(16)

    return act


def frames_per_second(page: Page, seconds: float) -> float:
    """Count the annotated frames that the page shows."""
    page.get_by_role("tab", name="Webcam").click()
    page.get_by_text("Click to Access Webcam").click()
    page.get_by_label("capture photo").click()
    expect(page.locator("#camera-out img")).to_be_visible()
    page.wait_for_timeout(3000)
    counting = """seconds => new Promise(done => {
        let seen = new Set();
        const look = () => seen.add(document.querySelector('#camera-out img').src.slice(-200));
        const watch = new MutationObserver(look);
        watch.observe(document.querySelector('#camera-out'), {childList: true, subtree: true, attributes: true});
        setTimeout(() => { watch.disconnect(); done(seen.size / seconds) }, 1000 * seconds);
    })"""
    shown: float = page.evaluate(counting, seconds)
    return shown


if __name__ == "__main__":
    main()
