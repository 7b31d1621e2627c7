"""The seven emotions, in the order of FER2013's CSV, and their other names.

The CSV numbers its emotions angry, disgust, fear, happy, sad, surprise, neutral. Folder copies of the data sort them by
name instead (…, neutral, sad, surprise), which is why labels are matched by name everywhere in this project.
"""

EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")

ALIASES = {
    "anger": "angry",
    "disgusted": "disgust",
    "afraid": "fear",
    "fearful": "fear",
    "happiness": "happy",
    "sadness": "sad",
    "surprised": "surprise",
}

FERPLUS_VOTES = (
    "neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF",
)  # fmt: skip
"""The ten columns of FER+'s ``fer2013new.csv``; NF is 'not a face'."""

FERPLUS_EMOTIONS = tuple(ALIASES.get(name, name) for name in FERPLUS_VOTES[:8])
"""The eight classes of the FER+ paper (Barsoum et al. 2016, https://arxiv.org/abs/1608.01041), in our names."""

UNCERTAIN = "uncertain"
"""The answer for a face that no emotion is likely enough for, where such answers are asked for."""

COLOURS = {
    "angry": "#D55E00",
    "disgust": "#009E73",
    "fear": "#CC79A7",
    "happy": "#E69F00",
    "sad": "#0072B2",
    "surprise": "#56B4E9",
    "neutral": "#7F7F7F",
    "contempt": "#000000",
    UNCERTAIN: "#404040",
}
"""Okabe and Ito's palette, which stays apart for colour-blind readers; used in every plot and page."""


def contrast(one: str, other: str) -> float:
    """Give the contrast of two colours such as ``"#D55E00"`` as WCAG 2.2 defines it, 1 to 21; text needs 4.5."""
    low, high = sorted(map(_luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    red, green, blue = (
        x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4
        for x in (byte / 255 for byte in bytes.fromhex(colour[1:]))
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


TEXT_COLOURS = {name: max("#000000", "#FFFFFF", key=lambda text: contrast(text, COLOURS[name])) for name in COLOURS}
"""Black or white, whichever is easier to read on an emotion's colour."""


def class_names(count: int) -> tuple[str, ...]:
    """Name the classes of a classifier by their number: 7 are FER2013's, 8 are FER+'s."""
    return {len(EMOTIONS): EMOTIONS, len(FERPLUS_EMOTIONS): FERPLUS_EMOTIONS}[count]


def emotion_index(name: str) -> int | None:
    """Give the number of an emotion's name in any case, e.g. ``"Happiness"`` -> 3; None for an unknown name."""
    key = name.strip().lower()
    key = ALIASES.get(key, key)
    return EMOTIONS.index(key) if key in EMOTIONS else None
