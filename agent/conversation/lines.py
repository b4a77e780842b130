"""A person at a terminal, or a script at the other end of a pipe: one line at a time."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.text import Text


class Lines:
    """Asks and is answered."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._is_person = sys.stdin.isatty()

    def ask(self, prompt: str) -> str | None:
        """The next line, without blanks around it; None where there are no more, or the person leaves."""
        while True:
            try:
                line = self._next(prompt)
            except KeyboardInterrupt:
                self._console.print()
                return None
            if line is None or line:
                return line

    def _next(self, prompt: str) -> str | None:
        if self._is_person:
            try:
                return self._console.input(Text(f"{prompt}> ", style="bold")).strip()
            except EOFError:
                return None
        self._console.print(Text(f"{prompt}> "), end="")
        line = sys.stdin.readline()
        self._console.print(Text(line.strip()))
        return line.strip() if line else None
