"""The page in other languages."""

from pathlib import Path

from gradio.i18n import I18nData
from gradio_client import Client

import app  # first, as it sets what Gradio reads when it is imported
from fer_data.emotions import EMOTIONS, FERPLUS_EMOTIONS
from fer_demo.models import Models
from fer_demo.words import WORDS, here


def test_each_word_is_there_in_each_language_and_no_two_emotions_are_alike():
    assert {*EMOTIONS, *FERPLUS_EMOTIONS, *app.TABS} <= set(WORDS)
    assert all(list(row) == ["en", "de", "es", "fr", "hi", "zh"] and all(row.values()) for row in WORDS.values())
    for language in WORDS["happy"]:
        assert len({WORDS[emotion][language] for emotion in FERPLUS_EMOTIONS}) == len(FERPLUS_EMOTIONS)


def test_each_word_that_the_page_asks_for_is_known(models: Models):
    asked = set()
    for block in app.build(models).blocks.values():
        said = [getattr(block, name, None) for name in ("label", "value")]
        said += [choice[0] for choice in getattr(block, "choices", None) or ()]
        asked |= {one.key for one in said if isinstance(one, I18nData)}
    assert asked <= set(WORDS) and len(asked) > 25


def test_programs_are_answered_in_english(address: str):
    told = Client(address, verbose=False, headers={"Accept-Language": "de"}).view_api(return_format="dict")
    for name, inputs, outputs in (
        ("/detect", ["Photo", "Model"], ["Faces (click one)", "value_"]),
        ("/video", ["Film", "Model"], ["With emotions", "value_", "Table (CSV)", "value_"]),
    ):
        endpoint = told["named_endpoints"][name]
        assert [part["label"] for part in endpoint["parameters"]] == inputs
        assert all(part["label"].startswith(x) for part, x in zip(endpoint["returns"], outputs, strict=True))
    assert here("happy") == "happy"


def test_no_word_is_left_over():
    code = "".join(path.read_text() for path in Path(app.__file__).parent.rglob("*.py"))
    assert not [
        word
        for word in WORDS
        if word not in EMOTIONS + FERPLUS_EMOTIONS and f'"{word}"' not in code and f"'{word}'" not in code
    ]
