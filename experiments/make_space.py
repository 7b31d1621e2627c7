"""Write the demo as a folder that runs by itself: ``python experiments/make_space.py dist/space``.

It holds the app, our packages' sources, the checkpoints, and a requirements.txt of third parties only: a Hugging Face
Space installs it before it has the sources.
"""

import re
import shutil
import tomllib
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from fer_data.errors import UserError, sentences
from fer_models import hub

ROOT = Path(__file__).resolve().parents[1]
APP = ROOT / "apps" / "gradio_demo"
PACKAGES = {name: ROOT / "packages" / name for name in ("fer_data", "fer_models")}


def main(argv: Sequence[str] | None = None) -> None:
    """Write the folder that the command line names."""
    parser = ArgumentParser(prog="make_space.py", description=__doc__, allow_abbrev=False)
    parser.add_argument("target", type=Path, help="folder to write; one that this script wrote is replaced")
    options = parser.parse_args(argv)
    with sentences():
        make_space(options.target)
        print(f"next: cd {options.target} && pip install -r requirements.txt && python app.py")


def make_space(target: Path) -> None:
    """Write the folder.

    Raises:
        UserError: It is there and is something else.
    """
    if target.exists() and not (target / "app.py").is_file():
        raise UserError(f"{target} is there and is no Space: choose another folder")
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    litter = shutil.ignore_patterns("__pycache__", "*.pyc", "*.pyi")
    for name in ("app.py", "README.md"):
        shutil.copy2(APP / name, target / name)
    shutil.copytree(APP / "fer_demo", target / "fer_demo", ignore=litter)
    for name, package in PACKAGES.items():
        shutil.copytree(package / "src" / name, target / name, ignore=litter)
    for name in hub.available():
        shutil.copytree(hub.folder_of(name), target / "checkpoints" / name)
    shutil.copy2(ROOT / "LICENSE", target / "LICENSE")
    (target / "requirements.txt").write_text("\n".join(requirements()) + "\n")


def requirements() -> list[str]:
    """List what the app and our packages need of third parties, with their bounds."""
    needed = set()
    for folder in (APP, *PACKAGES.values()):
        needed |= set(tomllib.loads((folder / "pyproject.toml").read_text())["project"]["dependencies"])
    third = sorted(line for line in needed if not line.startswith("fer-"))
    names = [re.split(r"[^\w.-]", line)[0] for line in third]
    if len(set(names)) < len(names):
        raise UserError(f"our packages ask for different versions of the same library: {', '.join(third)}")
    return third


if __name__ == "__main__":
    main()
