"""Tabs, buttons, labels and emotions in the visitor's language; the sentences of the page are English.

Gradio translates labels and choices in the browser (``say``), but not the HTML that we make: there ``here`` asks which
language the browser wants. The words are in ``words.csv``, a column for each language.
"""

import csv
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.context import LocalContext

with Path(__file__).with_name("words.csv").open(encoding="utf-8", newline="") as _file:
    WORDS = {row["en"]: row for row in csv.DictReader(_file)}
"""By the English word: the same in each language, which ISO 639-1 names."""

_LANGUAGES = WORDS["happy"].keys()

say = gr.I18n(**{name: {word: told[name] for word, told in WORDS.items()} for name in _LANGUAGES})
"""Gives a label or a choice that the browser translates."""


def tell_programs_in_english(page: gr.Blocks) -> None:
    """Name what endpoints take and give in English, as Gradio would show how labels are translated instead."""
    told = page.get_api_info

    def english(*arguments: Any, **options: Any) -> Any:
        info = told(*arguments, **options)
        for endpoint in (*info["named_endpoints"].values(), *info["unnamed_endpoints"].values()):
            for part in (*endpoint["parameters"], *endpoint["returns"]):
                part["label"] = getattr(part["label"], "key", part["label"])
        return info

    page.get_api_info = english  # type: ignore[method-assign]


def here(word: str) -> str:
    """Give a word in the language that the browser wants first; English to programs."""
    request = LocalContext.request.get(None)
    language = request.headers.get("accept-language", "")[:2].lower() if request else "en"
    return WORDS[word][language if language in _LANGUAGES else "en"]
