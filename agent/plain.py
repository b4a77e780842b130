"""Text from outside (file names, models, errors) as text that can be stored and shown anywhere."""

from __future__ import annotations


def plain(text: str) -> str:
    """The text with what no terminal or file should be given written out: control characters, lone surrogates."""
    return "".join(_written_out(letter) for letter in text)


def _written_out(letter: str) -> str:
    harmless = letter.isprintable() or letter in "\n\t"
    return letter if harmless else letter.encode("unicode_escape").decode()
