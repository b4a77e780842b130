"""What all commands share: an error that a person can act on is one line on stderr, never a traceback."""

from __future__ import annotations

import sys
from collections.abc import Callable


class CommandError(Exception):
    """Bad arguments or a bad state of things; the message says what, what was expected, what to do."""


def command(body: Callable[[], int]) -> int:
    """Run a command's body and return its exit code: 2 with one clear line where the arguments do not fit."""
    try:
        return body()
    except CommandError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
