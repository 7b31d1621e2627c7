"""Colours that everybody can tell apart and read."""

import pytest

from fer_data.emotions import COLOURS, EMOTIONS, FERPLUS_EMOTIONS, TEXT_COLOURS, contrast


def test_contrast_is_wcags():
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert contrast("#FFFFFF", "#767676") == pytest.approx(4.54, abs=0.01)  # the lightest gray that WCAG AA allows
    assert contrast("#E69F00", "#E69F00") == 1


@pytest.mark.parametrize("emotion", sorted({*EMOTIONS, *FERPLUS_EMOTIONS}))
def test_text_on_an_emotions_colour_can_be_read(emotion: str):
    assert contrast(TEXT_COLOURS[emotion], COLOURS[emotion]) >= 4.5
