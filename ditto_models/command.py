"""What all commands share: an error that a person can act on is one line on stderr, never a traceback."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable

from ditto_models.gpu.cannot_load import CannotLoad
from ditto_models.settings import SettingsError


class CommandError(Exception):
    """Bad arguments or a bad state of things; the message says what, what was expected, what to do."""


class CommandFailed(Exception):
    """The command was right but could not be carried out; the message says what failed and what to do."""


def command(body: Callable[[], int], *failures: type[Exception]) -> int:
    """Run a command's body and return its exit code.

    One clear line on stderr, and 2 where the arguments do not fit, 1 where they do but something failed: `failures` say
    so in a line too.
    """
    # Names of files and words of models may hold what the terminal's encoding has not.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        return body()
    except (CommandError, SettingsError) as error:
        return _said(error, 2)
    except (CommandFailed, CannotLoad) as error:
        return _said(error, 1)
    except failures as error:
        return _said(error, 1)
    except BrokenPipeError:  # the reader, `head` for one, has seen enough
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        return 1
    except OSError as error:
        return _said(error, 1)
    except KeyboardInterrupt:
        return _said("stopped", 1)


def _said(what: object, code: int) -> int:
    print(f"error: {what}", file=sys.stderr)
    return code
