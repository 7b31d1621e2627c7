"""The browser demo: ``python app.py`` opens it at http://127.0.0.1:7860."""

import os
import tempfile

# Gradio reads these when it is imported; threads that spin while they wait stall on shared cores.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("GRADIO_ANALYTICS_MAX_EVENTS", "100")  # that it remembers for nobody
os.environ["GRADIO_TEMP_DIR"] = tempfile.mkdtemp(prefix="fer-demo-")  # of its own, as it is swept
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from threading import Thread
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from fer_data.errors import sentences
from fer_demo import about, generate, show, upload, video, webcam, words
from fer_demo.models import Models
from fer_demo.safety import FILM_BYTES, SESSIONS, WAITING, BodyLimit, fetch_nothing, say_busy, sweeper

TITLE = "Facial expressions, read and drawn"
SUBTITLE = (
    "Seven emotions in photos, before your camera and in films, and faces that are made to show them. "
    "An expression is not a feeling: see About."
)
TABS = {
    "Upload": upload.build,
    "Webcam": webcam.build,
    "Video": video.build,
    "Generate": generate.build,
    "About": about.build,
}


def build(models: Models, waiting: int = WAITING) -> gr.Blocks:
    """Lay the page out.

    Args:
        models: What it offers.
        waiting: How many clicks may wait for their turn; who comes then is told that the page is busy.
    """
    page = gr.Blocks(title=TITLE, analytics_enabled=False)
    with page:
        gr.Markdown(f"# {TITLE}\n{SUBTITLE}", elem_id="title")
        if models.best is None:
            gr.HTML(show.note("No classifier is here: put a checkpoint into checkpoints/, then restart.", "warning"))
        for name, fill in TABS.items():
            with gr.Tab(words.say(name), id=name.lower()):
                fill(models)
    page.queue(max_size=waiting, default_concurrency_limit=2)
    say_busy(page)
    words.tell_programs_in_english(page)
    return page


def launch(page: gr.Blocks, **options: Any) -> str:
    """Serve the page; give its address.

    Args:
        page: What ``build`` gives.
        options: Of Gradio's ``launch``.
    """
    fetch_nothing()
    _, address, _ = page.launch(
        theme=_theme(),
        css_paths=Path(show.__file__).with_name("style.css"),
        max_file_size=FILM_BYTES,
        allowed_paths=[],
        show_error=False,
        run_history=False,
        state_session_capacity=SESSIONS,
        max_threads=8,  # as many as events run at once; each thread that computes keeps memory
        ssr_mode=False,
        pwa=False,
        footer_links=["api", "settings"],
        i18n=words.say,
        app_kwargs={"middleware": [Middleware(BodyLimit)], "lifespan": sweeper(page)},
        **options,
    )
    return address


def _theme() -> gr.themes.Base:
    """Make Gradio's soft theme darker where its text can't be read by WCAG AA."""
    theme = gr.themes.Soft(
        primary_hue="sky", secondary_hue="sky", neutral_hue="slate", font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    )  # fmt: skip
    primary = [f"button_primary_background_fill{look}" for look in ("", "_dark", "_hover", "_hover_dark")]
    labels = [f"block_{part}_background_fill_dark" for part in ("label", "title")]
    selected = [f"checkbox_label_background_fill_selected{look}" for look in ("", "_dark")]
    return theme.set(
        background_fill_primary="*neutral_50",  # set() would forget Soft's
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        block_info_text_color="*neutral_600",
        block_label_text_color="*primary_800",
        block_title_text_color="*primary_800",
        **dict.fromkeys([*primary, *labels, *selected], "*primary_700"),
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Open the page as the command line says."""
    parser = ArgumentParser(prog="app.py", description=__doc__, allow_abbrev=False)
    parser.add_argument("--host", help="address to listen on, e.g. 0.0.0.0 for all (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, help="default: the first free one from 7860 on")
    parser.add_argument("--share", action="store_true", help="open a public link through Gradio's servers")
    options = parser.parse_args(argv)
    with sentences():
        models = Models()
        Thread(target=models.warm_up, daemon=True).start()
        launch(build(models), server_name=options.host, server_port=options.port, share=options.share)


if __name__ == "__main__":
    main()
