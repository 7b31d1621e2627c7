"""Errors that are answered with a sentence, not with a stack trace."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


class UserError(ValueError):
    """Something outside the program is wrong. The message says what, its value, and what to do."""


class DataError(UserError):
    """A data set, a file of it, or a row of it is unusable."""


class ImageError(UserError):
    """A picture can't be decoded or is refused."""


@contextmanager
def sentences() -> Iterator[None]:
    """Turn a ``UserError`` into one line on stderr and exit status 1, Ctrl-C into status 130."""
    try:
        yield
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("stopped by Ctrl-C", file=sys.stderr)
        sys.exit(130)
