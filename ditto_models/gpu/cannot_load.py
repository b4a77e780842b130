"""A network that cannot be loaded: its weights, its settings, its device or a package, and never what it was given."""

from __future__ import annotations


class CannotLoad(RuntimeError):
    """No call of this network can work until something is mended; the message says what."""
