"""What ``train.py --help`` shows."""

import re
import shutil
from argparse import SUPPRESS, Action
from typing import Any

from jsonargparse import DefaultHelpFormatter

from fer_models.networks import NETWORKS

USAGE = "train.py --model MODEL [options]"
NO_BREAK = "\u00a0"
TITLES = ("Run", "Network", "Training", "Data")

GUIDE = """Train a network on FER2013, or on drawn faces where there is no data.

models:
{models}

next:
  python experiments/train.py --model {first} --help
      all options of a model
  python experiments/train.py --model {first} --data synthetic --max_epochs 3
      a first try, which needs no data
  python experiments/train.py --config experiments/configs/{first}.yaml --data DATA
      its recipe, on the file or folder DATA with FER2013
"""


def guide() -> str:
    """List the models, a line each, and say what to type next."""
    lines = [f"  {name:15}{_first_line(network)}" for name, network in NETWORKS.items()]
    return GUIDE.format(models="\n".join(lines), first=next(iter(NETWORKS)))


def _first_line(network: type) -> str:
    return re.sub(r" \([^)]*\)", "", (network.__doc__ or "").splitlines()[0])


def arrange(parser: Any, model: str) -> None:
    """Give a model's jsonargparse parser titles for its groups, and words for what jsonargparse says at length."""
    parser.usage = USAGE
    parser.description = f"Train {model}. ``train.py --help`` lists the other models."
    for title, group in zip(TITLES, parser.groups.values(), strict=False):
        group.title, group.description = title, f"{group.title}."
    words = {"help": "print this", "print_config": "print all options as YAML, which --config takes, and exit"}
    for action in parser._actions:
        action.help = words.get(action.dest, action.help)
        action.metavar = {"print_config": "", "model": "MODEL"}.get(action.dest, action.metavar)


class HelpFormatter(DefaultHelpFormatter):
    """An option, what it does, and its default: without types, and in up to 100 columns."""

    def __init__(self, prog: str) -> None:
        columns = min(100, shutil.get_terminal_size().columns)
        super().__init__(prog, max_help_position=33, width=columns)  # type: ignore[no-untyped-call] # jsonargparse's

    def _get_default_metavar_for_optional(self, action: Action) -> str:
        return action.dest.split("_")[-1].upper()

    def _format_action_invocation(self, action: Action) -> str:
        told = super()._format_action_invocation(action)
        return (told.replace(" {true,false}", "") if action.default is False else told).strip()

    def _get_help_string(self, action: Action) -> str:
        told = f"{action.help}{'' if action.default in (None, SUPPRESS) else f' (default:{NO_BREAK}%(default)s)'}"
        return told.replace("``", "")

    def _format_text(self, text: str) -> str:
        return super()._format_text(text.replace("``", ""))

    def format_help(self) -> str:
        """Give all the text."""
        return super().format_help().replace(NO_BREAK, " ")
