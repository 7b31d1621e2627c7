"""Errors that are answered with a sentence, not with a stack trace."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class UserError(ValueError):
    """Something outside the program is wrong. The message says what, its value, and what to do."""


class DataError(UserError):
    """A data set, a file of it, or a row of it is unusable."""


class ImageError(UserError):
    """A picture can't be decoded or is refused."""


def check_range(name: str, value: float, low: float, high: float = float("inf")) -> None:
    """Raise a ``UserError`` for a value that is not from ``low`` to ``high``."""
    if not low <= value <= high:
        upper = "" if high == float("inf") else f" and at most {high:g}"
        raise UserError(f"{name} is {value}, but must be at least {low:g}{upper}")


@contextmanager
def sentences() -> Iterator[None]:
    """Turn what goes wrong outside the program into one line on stderr and exit status 1, Ctrl-C into status 130."""
    try:
        yield
    except BrokenPipeError:  # a reader such as head has seen enough; Python would complain again as it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except (UserError, OSError) as error:
        _stop(f"error: {error}", 1)
    except ModuleNotFoundError as error:
        _stop(f"error: {error.name} is not installed: pip install 'fer-data[train]', or 'fer-models[train]'", 1)
    except KeyboardInterrupt:
        _stop("stopped by Ctrl-C", 130)


def _stop(sentence: str, status: int) -> None:
    print(sentence, file=sys.stderr)
    sys.exit(status)
