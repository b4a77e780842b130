"""What all commands of the agent share: as ditto_models/command.py, and a ledger that fails is one line too."""

from __future__ import annotations

from collections.abc import Callable

from ditto_models.command import CommandError as CommandError
from ditto_models.command import CommandFailed as CommandFailed
from ditto_models.command import command as any_command
from memory.group_commit import LedgerError


def command(body: Callable[[], int]) -> int:
    """Run a command's body and return its exit code, as `ditto_models.command.command`."""
    return any_command(body, LedgerError)
