"""What tests of several commands share."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "fer_data"))

import make_layouts as make

from fer_data.emotions import FERPLUS_VOTES, emotion_index
from fer_data.synthetic import synthetic_table
from fer_data.table import USAGES


@pytest.fixture(scope="module")
def ferplus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write drawn faces as FER2013 and FER+: eight of ten votes name what is drawn, but some faces are no face."""
    table = synthetic_table(140)
    folder = tmp_path_factory.mktemp("data")
    make.write_csv(table, folder / "fer2013.csv")
    column = {emotion_index(name): i for i, name in enumerate(FERPLUS_VOTES)}
    lines = [",".join(("Usage", "Image name", *FERPLUS_VOTES))]
    for row, (usage, label) in enumerate(zip(table.usage, table.labels, strict=True)):
        votes = [0] * 10
        votes[column[label]], votes[7] = (8, 2) if row % 10 else (1, 0)
        votes[9] = 10 - sum(votes)
        lines.append(",".join([USAGES[usage], "", *map(str, votes)]))
    (folder / "fer2013new.csv").write_text("\n".join(lines) + "\n")
    return folder
