"""The tab that says what the page is, how good it is, and what it is not for."""

from pathlib import Path

import gradio as gr

from fer_demo import show
from fer_demo.models import Entry, Models
from fer_demo.safety import FILM_BYTES, FILM_SECONDS, KEEP_SECONDS, PHOTO_BYTES, PHOTO_PIXELS
from fer_models import hub

WHAT = """## What this is

Networks that recognise seven facial expressions (angry, disgust, fear, happy, sad, surprise, neutral) and networks that
draw faces with a chosen one. All were trained on FER2013: 48 by 48 pixels, gray, collected from the web in 2013.
Faces are found by MTCNN.

## What it is not for

- **Not to infer emotions of people at work or in education.** In the European Union the AI Act forbids it:
  Art. 5(1)(f) of Regulation (EU) 2024/1689.
- Not for any decision about a person: hiring, grading, lending, policing, medicine.
- Not to make pictures that pass for a real person.

## Limits

- An expression is not a feeling. A model says what a face looks like to those who labelled the data.
- {errs} Angry, fear, sad and neutral are mixed up most.
- FER2013's labels are noisy, and its faces are not balanced by age, skin colour or culture. Fairness was not measured.
- Faces that are turned away, covered, very small or in the dark are often not found.
"""

ERRS = "It errs often: {} names {:.0%} of the faces in FER2013's test set wrongly."

PRIVACY = f"""## Your pictures

Everything is computed on this server; nothing is sent to anybody else, and the page loads nothing from elsewhere.
Camera frames are deleted as soon as they are read. Uploaded and made files are deleted after
{KEEP_SECONDS // 60} minutes. Nothing is used for training. What comes out carries no metadata of what went in.

Limits: photos {PHOTO_BYTES // 1_000_000} MB and {PHOTO_PIXELS // 1_000_000} megapixels (JPEG, PNG, WebP); films
{FILM_BYTES // 1_000_000} MB, of which {FILM_SECONDS} seconds are used.
"""


def build(models: Models) -> None:
    """Lay the tab out."""
    best = models.classifiers[0] if models.classifiers else None
    errs = "It errs often." if best is None or best.score is None else ERRS.format(best.name, 1 - best.score)
    gr.Markdown(WHAT.format(errs=errs))
    gr.Markdown(PRIVACY)
    gr.Markdown("## Models")
    usable = [*models.classifiers, *models.generators]
    if usable:
        head = ["model", "task", "on PrivateTest", "parameters"]
        gr.HTML(show.table(head, [_row(entry) for entry in usable], "The models of this page"))
        gr.Markdown("FD-FER is the Fréchet distance to real faces in our own encoder's features: lower is better.")
    for entry in usable:
        with gr.Accordion(f"Model card: {entry.name}", open=False):
            gr.Markdown(_card(entry.folder / hub.CARD))
    for entry in models.broken:
        gr.HTML(show.note(f"{entry.name} can't be used: {entry.problem}", "warning"))


def _row(entry: Entry) -> list[str]:
    parameters = entry.config.get("parameters")
    return [
        entry.name,
        "generates faces" if entry.generates else "names emotions",
        entry.figure,
        f"{parameters / 1e6:.2f} M" if isinstance(parameters, int) else "?",
    ]


def _card(path: Path) -> str:
    """Give a model card without the Hub's front matter."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    body = text.split("---\n", 2)[-1] if text.startswith("---\n") else text
    return body.strip() or "This checkpoint has no card."
