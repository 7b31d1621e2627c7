"""Pieces that several tabs show."""

import base64
from collections.abc import Mapping, Sequence
from html import escape

import cv2
import gradio as gr
import numpy as np
from numpy.typing import NDArray

from fer_data.emotions import COLOURS, EMOTIONS
from fer_demo.models import Entry
from fer_demo.words import here, say
from fer_models.drawing import png

_WIDTH, _HEIGHT = 600, 160


def chooser(label: str, entries: Sequence[Entry], broken: Sequence[Entry], elem_id: str) -> gr.Dropdown:
    """Make the list of a tab's models; says below why others can't be used."""
    problems = "; ".join(f"{entry.name} can't be used: {entry.problem}" for entry in broken)
    return gr.Dropdown(
        [(entry.label, entry.name) for entry in entries],
        value=entries[0].name if entries else None,
        label=say(label),
        info=problems or None,
        interactive=bool(entries),
        elem_id=elem_id,
    )


def bars(probabilities: Mapping[str, float] | None, title: str = "") -> str:
    """Draw a bar for each emotion; empty ones where there is no face."""
    chances = probabilities or dict.fromkeys(EMOTIONS, 0.0)
    top = max(chances, key=lambda emotion: chances[emotion]) if probabilities else ""
    rows = "".join(
        f'<li{" class=top" if emotion == top else ""}><span class="name">{here(emotion)}</span>'
        f'<span class="rail"><span style="width:{chance:.1%};background:{COLOURS[emotion]}"></span></span>'
        f'<span class="share">{f"{chance:.0%}" if probabilities else ""}</span></li>'
        for emotion, chance in chances.items()
    )
    return f'<section class="fer-bars"><h3>{escape(title)}</h3><ul>{rows}</ul></section>'


def note(text: str, kind: str = "info") -> str:
    """Show a sentence; ``kind`` is ``info`` or ``warning``."""
    return f'<p class="fer-note {kind}" role="status">{escape(text)}</p>' if text else ""


def table(head: Sequence[str], rows: Sequence[Sequence[str]], caption: str) -> str:
    """Draw a table; the first cell of a row names it."""
    top = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>' + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:]) + "</tr>"
        for row in rows
    )
    return f'<table class="fer-table"><caption>{escape(caption)}</caption><tr>{top}</tr>{body}</table>'


def picture(image: NDArray[np.uint8], alt: str) -> str:
    """Show a picture, uint8 (H, W, 3) RGB, without a file on the server."""
    _, content = cv2.imencode(".jpg", np.ascontiguousarray(image[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 85])
    return _image(content.tobytes(), "jpeg", alt, "fer-frame")


def grid(title: str, faces: Sequence[tuple[NDArray[np.uint8], Sequence[tuple[str, str]]]]) -> str:
    """Show small faces with captions.

    Args:
        title: Stands above.
        faces: Each uint8 (H, W), and the lines under it: (text, the emotion whose colour it gets).
    """
    figures = ""
    for face, caption in faces:
        alt = "Face, " + ", ".join(text for text, _ in caption)
        words = "".join(
            f'<span><i style="background:{COLOURS[name]}"></i>{escape(text)}</span>' for text, name in caption
        )
        figures += f"<figure>{_image(png(face), 'png', alt, 'fer-face')}<figcaption>{words}</figcaption></figure>"
    return f'<section class="fer-grid"><h3>{escape(title)}</h3><div>{figures}</div></section>'


def figure(title: str, content: bytes, kind: str) -> str:
    """Show one picture under a title; ``kind`` is ``png`` or ``gif``."""
    image = _image(content, kind, title, "fer-face")
    return f'<section class="fer-grid"><h3>{escape(title)}</h3><figure>{image}</figure></section>'


def _image(content: bytes, kind: str, alt: str, style: str) -> str:
    data = base64.b64encode(content).decode()
    return f'<img class="{style}" alt="{escape(alt)}" src="data:image/{kind};base64,{data}">'


def lines(history: Sequence[tuple[float, Mapping[str, float]]], seconds: float = 30.0) -> str:
    """Draw how the emotions of the last seconds went.

    Args:
        history: (time in seconds, probabilities), the newest last.
        seconds: What the width stands for.
    """
    now = history[-1][0] if history else 0.0
    drawn = ""
    places = [_WIDTH * (1 - (now - time) / seconds) for time, _ in history]
    for emotion in EMOTIONS if history else ():
        heights = [_HEIGHT * (1 - chances[emotion]) for _, chances in history]
        points = " ".join(f"{x:.0f},{y:.0f}" for x, y in zip(places, heights, strict=True))
        drawn += f'<polyline points="{points}" stroke="{COLOURS[emotion]}"/>'
    legend = "".join(
        f'<span><i style="background:{COLOURS[emotion]}"></i>{here(emotion)}</span>' for emotion in EMOTIONS
    )
    return (
        f'<figure class="fer-lines"><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="The emotions of the last {seconds:.0f} seconds">{drawn}</svg>'
        f"<figcaption><b>{seconds:.0f} s ago</b>{legend}<b>now</b></figcaption></figure>"
    )
