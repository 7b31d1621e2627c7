"""The page as a person uses it, in Chromium with a film in place of a camera.

Screenshots go to the folder FER_SCREENSHOTS, if it is set.
"""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlparse

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

import films
import photos
from fer_data.emotions import EMOTIONS
from fer_demo.words import WORDS

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")

OPTIONS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
]  # fmt: skip
WAIT = 60_000
"""Milliseconds: a machine that does other things too takes its time."""


def sitting(i: int) -> np.ndarray:
    """A frame of somebody before a camera, uint8 (480, 640, 3)."""
    return films.scene((films.head(300), 150 + 20 * np.sin(i / 8), 90), size=(640, 480))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    camera = tmp_path_factory.mktemp("camera") / "camera.mjpeg"
    camera.write_bytes(b"".join(photos.encode(sitting(i), "JPEG") for i in range(50)))
    expect.set_options(timeout=WAIT)
    with sync_playwright() as playwright:
        options = [*OPTIONS, f"--use-file-for-fake-video-capture={camera}"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser, address: str) -> Iterator[Callable[..., Page]]:
    """Open the page; at the end see that it asked nobody else for anything, and that nothing failed in it."""
    contexts, others, failures = [], [], []

    def guard(route: Route) -> None:
        if urlparse(route.request.url).hostname in ("127.0.0.1", None):
            return route.continue_()
        others.append(route.request.url)
        return route.abort()

    def opened(tab: str, address: str = address, **options: object) -> Page:
        contexts.append(
            browser.new_context(permissions=["camera"], **{"viewport": {"width": 1280, "height": 900}, **options})
        )
        contexts[-1].route("**/*", guard)
        page = contexts[-1].new_page()
        page.set_default_timeout(WAIT)
        page.on("pageerror", lambda error: failures.append(str(error)))
        page.on(
            "response", lambda answer: failures.append(answer.url) if answer.status not in (*range(400), 429) else None
        )
        page.goto(address, wait_until="domcontentloaded")
        page.get_by_role("tab", name=tab).click()
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not others and not failures


def shoot(page: Page, name: str) -> None:
    """Save a screenshot where somebody wants one."""
    if "FER_SCREENSHOTS" in os.environ:
        page.wait_for_timeout(500)
        page.screenshot(path=Path(os.environ["FER_SCREENSHOTS"]) / f"{name}.png", full_page=True)


def upload(page: Page, picture: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(photos.encode(picture))
    page.set_input_files("#photo input[type=file]", path)
    expect(page.locator("#said")).to_contain_text("Now press Detect")


def two() -> np.ndarray:
    """The astronaut and, smaller, somebody else to the right, uint8 (480, 640, 3)."""
    return films.scene((films.head(270), 20, 90), (films.other_head(210), 370, 120), size=(640, 480))


def click_at(page: Page, x: int, y: int) -> None:
    """Click the pixel (x, y) of the 640 x 480 picture that is drawn."""
    drawn = page.locator("#drawn img")
    drawn.evaluate("picture => picture.decode()")
    box = drawn.bounding_box()
    drawn.click(position={"x": box["width"] * x / 640, "y": box["height"] * y / 480})


def test_upload_names_both_faces_and_shows_why(visit: Callable[..., Page], tmp_path: Path):
    page = visit("Upload")
    upload(page, two(), tmp_path)
    page.click("#detect")
    expect(page.locator("#said")).to_contain_text(re.compile(r"2 faces in \d+\.\d\d seconds"))
    expect(page.locator("#shares h3")).to_have_text("Face 1: happy")
    expect(page.locator("#chosen label")).to_have_count(2)
    expect(page.locator("#drawn img")).to_have_attribute("alt", re.compile("1: happy.*, 2: "))
    click_at(page, 475, 225)
    expect(page.locator("#shares h3")).to_have_text(re.compile("Face 2: "))
    click_at(page, 155, 225)
    expect(page.locator("#shares h3")).to_have_text("Face 1: happy")
    page.click("#compare")
    expect(page.locator("#compared table")).to_contain_text("cnn (69.7% accuracy)")
    page.click("#explain")
    expect(page.locator("#why img")).to_be_visible()
    shoot(page, "upload")


def test_upload_without_a_face_says_so_and_classifies_anyway(visit: Callable[..., Page], tmp_path: Path):
    page = visit("Upload")
    upload(page, photos.faceless(), tmp_path)
    page.click("#detect")
    expect(page.locator("#said")).to_contain_text("No face found: try a closer, brighter photo.")
    page.click("#whole")
    expect(page.locator("#shares h3")).to_have_text(re.compile("Face 1: "))


def test_a_hostile_file_is_answered_on_the_page(visit: Callable[..., Page], tmp_path: Path):
    page = visit("Upload")
    path = tmp_path / "bomb.png"
    path.write_bytes(photos.png_bomb(9_000))
    page.set_input_files("#photo input[type=file]", path)
    expect(page.locator("#said")).to_contain_text("Now press Detect")
    page.click("#detect")
    expect(page.get_by_text("more than 24 megapixels")).to_be_visible()
    expect(page.get_by_text("Traceback")).to_have_count(0)


def test_a_full_queue_is_told_in_a_sentence(visit: Callable[..., Page], full: str):
    page = visit("Upload", address=full)
    page.locator(".gallery-item").first.click()
    expect(page.locator("#said")).to_contain_text("Now press Detect")
    page.click("#detect")
    expect(page.get_by_text("The page is busy: 1 are waiting already. Try again in a minute.")).to_be_visible()
    shoot(page, "busy")


def test_keyboard_alone_suffices(visit: Callable[..., Page]):
    page = visit("Upload")

    def tab_to(text: str) -> None:
        """Press Tab until the element with this text or label has the focus."""
        for _ in range(60):
            page.keyboard.press("Tab")
            told = (
                "e => [e.innerText, e.ariaLabel, e.closest('label')?.innerText, e.querySelector('img')?.alt].join(' ')"
            )
            if text in (page.evaluate_handle("document.activeElement").evaluate(told) or ""):
                return
        raise AssertionError(f"Tab doesn't reach {text!r}")

    page.locator("#classifier input").focus()
    page.locator(".gallery-item").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#said")).to_contain_text("Now press Detect")
    page.get_by_role("tab", name="Upload").focus()
    tab_to("Detect")
    page.keyboard.press("Enter")
    expect(page.locator("#said")).to_contain_text("1 face in")
    tab_to("Why?")
    page.keyboard.press("Enter")
    expect(page.locator("#why img")).to_be_visible()


def test_webcam_boxes_the_face_and_follows_it(visit: Callable[..., Page]):
    page = visit("Webcam")
    page.get_by_text(re.compile("access webcam", re.IGNORECASE)).click()
    expect(page.locator("#camera video")).to_be_visible()
    page.get_by_label("capture photo").click()
    expect(page.locator("#camera-out img")).to_have_attribute("alt", re.compile(r"\d+: happy"))
    first = page.locator("#camera-out img").get_attribute("src")
    page.wait_for_function("old => document.querySelector('#camera-out img').src != old", arg=first)
    expect(page.locator("#camera-bars h3")).to_have_text(re.compile(r"Face \d+: happy"))
    expect(page.locator("#camera-lines polyline")).to_have_count(len(EMOTIONS))
    expect(page.locator(".fer-rate")).to_have_text(re.compile(r"[0-9.]+ frames a second"))
    shoot(page, "webcam")
    page.locator("#camera button", has_text=re.compile("stop", re.IGNORECASE)).click()
    left = [path for path in Path(os.environ["GRADIO_TEMP_DIR"]).rglob("*.*") if "webcam" in path.name]
    assert not left


def test_video_gives_a_film_that_plays(visit: Callable[..., Page], tmp_path: Path):
    page = visit("Video")
    page.set_input_files("#film input[type=file]", films.write(tmp_path / "film.mp4", map(sitting, range(25))))
    expect(page.locator("#film video")).to_be_visible()
    page.click("#follow")
    expect(page.locator("#film-said")).to_contain_text("happy")
    expect(page.locator("#timeline img")).to_be_visible()
    expect(page.locator("#table a")).to_have_attribute("href", re.compile("faces.csv$"))
    page.wait_for_function("document.querySelector('#film-out video').readyState >= 2")
    assert 0.5 < page.locator("#film-out video").evaluate("film => film.duration") < 1.5
    assert page.locator("#film-out video").evaluate("film => film.play().then(() => true)")
    shoot(page, "video")


def choose(page: Page, field: str, choice: str) -> None:
    page.locator(f"{field} input").click()
    page.get_by_role("option", name=re.compile(choice)).click()


def test_generate_makes_faces_also_from_a_photo(visit: Callable[..., Page], tmp_path: Path):
    page = visit("Generate")
    choose(page, "#generator", "vae")
    choose(page, "#emotion", "happy")
    page.get_by_text("Start from your own face").click()
    path = tmp_path / "me.png"
    path.write_bytes(photos.encode(photos.astronaut()))
    page.set_input_files("#own input[type=file]", path)
    expect(page.locator("#own img")).to_be_visible()
    page.click("#make")
    expect(page.locator("#made h3")).to_have_text(
        [
            "Faces",
            "Seven emotions of one latent (the first face's)",
            "Your face, and rebuilt",
            "Your face in the seven emotions",
            "Variations of your face",
            "A walk from one face to another, and back",
        ]
    )
    expect(page.locator("#made figure").first).to_have_text(re.compile(r"asked: happy\s*read as: \w+ \d\.\d\d"))
    expect(page.locator("#made .fer-face")).to_have_count(14 + 7 + 2 + 7 + 7 + 1)
    shoot(page, "generate")


def test_german_is_spoken_to_who_wants_it(visit: Callable[..., Page], tmp_path: Path):
    page = visit("Foto", locale="de-DE")
    expect(page.get_by_role("tab")).to_have_text(["Foto", "Kamera", "Film", "Erzeugen", "Über"])
    upload(page, two(), tmp_path)
    page.get_by_role("button", name="Erkennen").click()
    expect(page.locator("#shares h3")).to_have_text(re.compile("Gesicht 1: "))
    expect(page.locator("#shares .name")).to_have_text([WORDS[emotion]["de"] for emotion in EMOTIONS])
    expect(page.locator("#chosen label").first).to_have_text(re.compile(r"1: (fröhlich|neutral|überrascht) \d+%"))
    shoot(page, "upload-german")
    page.get_by_role("tab", name="Erzeugen").click()
    choose(page, "#generator", "vae")
    choose(page, "#emotion", "^✓?\\s*fröhlich$")
    page.click("#make")
    expect(page.locator("#made figure").first).to_have_text(re.compile("verlangt: fröhlichgelesen als: "))
    assert "__i18n__" not in page.locator("body").inner_text()


def test_about_says_what_it_is_not_for(visit: Callable[..., Page]):
    page = visit("About")
    expect(page.get_by_text("Art. 5(1)(f)").first).to_be_visible()
    page.get_by_text("Model card: cnn").click()
    expect(page.get_by_text("One training run, seed 0")).to_be_visible()
    expect(page.get_by_role("tabpanel").get_by_text("broken can't be used")).to_be_visible()


@pytest.mark.browser
@pytest.mark.parametrize("emotion", EMOTIONS)
def test_each_emotion_can_be_asked_for(visit: Callable[..., Page], emotion: str):
    page = visit("Generate")
    choose(page, "#generator", "vae")
    choose(page, "#emotion", f"^{emotion}$")
    page.click("#make")
    expect(page.locator("#made .fer-grid").first.get_by_text(f"asked: {emotion}")).to_have_count(14)


FAINT = """() => {
    const rgb = text => text.match(/[0-9.]+/g).map(Number);
    const light = colour => rgb(colour).slice(0, 3).map(x => x / 255)
        .map(x => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4)
        .reduce((sum, x, i) => sum + x * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = e => {
        const colour = e ? getComputedStyle(e).backgroundColor : "rgb(255, 255, 255)";
        return (rgb(colour)[3] ?? 1) > 0.5 ? colour : behind(e.parentElement);
    };
    const says = e => [...e.childNodes].some(node => node.nodeType == 3 && node.data.trim());
    return [...document.querySelectorAll("body *")]
        .filter(e => e.checkVisibility({visibilityProperty: true, opacityProperty: true}) && !e.disabled && says(e))
        .map(e => {
            const [low, high] = [light(getComputedStyle(e).color), light(behind(e))].sort((a, b) => a - b);
            const contrast = (high + 0.05) / (low + 0.05);
            return [contrast, `${contrast.toFixed(1)} ${e.tagName}.${e.className}: ${e.innerText.slice(0, 40)}`];
        })
        .filter(([contrast, _]) => contrast < 4.5).map(([_, told]) => told);
}"""
"""Lists the texts that are too faint for WCAG AA."""


@pytest.mark.browser
@pytest.mark.parametrize("look", ["phone", "light", "dark"])
@pytest.mark.parametrize("tab", ["Upload", "Webcam", "Video", "Generate", "About"])
def test_looks(visit: Callable[..., Page], tmp_path: Path, look: str, tab: str):
    options = {"viewport": {"width": 390, "height": 844}} if look == "phone" else {"color_scheme": look}
    page = visit(tab, **options)
    if tab == "Upload":
        upload(page, two(), tmp_path)
        page.click("#detect")
        expect(page.locator("#said")).to_contain_text("2 faces")
    if tab == "Generate":
        page.click("#make")
        expect(page.locator("#made .fer-face").first).to_be_visible()
    page.wait_for_timeout(500)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")  # nothing to scroll sideways
    assert page.evaluate(FAINT) == []
    if look == "dark":
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).slice(0, 3).map(Number)")
        assert max(dark) < 60
    shoot(page, f"{tab.lower()}-{look}")


@pytest.mark.browser
def test_webcam_keeps_up(visit: Callable[..., Page]):
    page = visit("Webcam")
    page.get_by_text(re.compile("access webcam", re.IGNORECASE)).click()
    page.get_by_label("capture photo").click()
    expect(page.locator("#camera-out img")).to_be_visible()
    count = """seconds => new Promise(done => {
        let seen = 0;
        const watch = new MutationObserver(() => seen++);
        watch.observe(document.querySelector('#camera-out'), {childList: true, subtree: true});
        setTimeout(() => { watch.disconnect(); done(seen / seconds) }, 1000 * seconds);
    })"""
    assert page.evaluate(count, 10) >= 2  # at least 10 on two idle cores, see experiments/benchmarks/demo.py
