"""Calls of the commands, as processes or in this one, and what a refusal must look like."""

import contextlib
import importlib
import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


def run_command(module: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)


def main_of(module: str) -> Callable[[list[str]], Any]:
    """What `python -m MODULE` runs."""
    found = importlib.import_module(module)
    found = importlib.import_module(f"{module}.__main__") if hasattr(found, "__path__") else found
    main: Callable[[list[str]], Any] = found.main
    return main


def call(module: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
    """As `run_command`, in this process."""
    out, error = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        try:
            code = main_of(module)([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code
    return subprocess.CompletedProcess(module, code, out.getvalue(), error.getvalue())


def problem_of(module: str, *arguments: object) -> str:
    """The error of a command that must refuse: exit code 2, one line, nothing else said."""
    done = call(module, *arguments)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.stderr


def line_of(error: str) -> str:
    """The one line of an error that argparse did not find."""
    [line] = error.splitlines()
    assert line.startswith("error: ")
    return line
