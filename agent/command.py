"""What all commands share: an error that a person can act on is one line on stderr, never a traceback."""

from __future__ import annotations

import sys
from collections.abc import Callable

from memory.ledger import LedgerError


class CommandError(Exception):
    """Bad arguments or a bad state of things; the message says what, what was expected, what to do."""


class CommandFailed(Exception):
    """The command was right but could not be carried out; the message says what failed and what to do."""


def command(body: Callable[[], int]) -> int:
    """Run a command's body and return its exit code.

    One clear line and 2 where the arguments do not fit, and 1 where they do but something failed.
    """
    try:
        return body()
    except (CommandError, CommandFailed, LedgerError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, CommandError) else 1
