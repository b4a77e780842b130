"""Whether an instruction asks for the edit that its writer chose, by likeness of sentence vectors.

An editor by looks carries out the chosen look whatever the words say, so words about another edit make a pair that
teaches the wrong thing. `bench/writer.py` measures how often the limits refuse a right text and let a wrong one pass.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tools.edit_options import EditOption
from tools.instruction_grounding import Embed

LEAST, MARGIN = 0.25, 0.05


class Likeness:
    """The options of one clip, and how like a text is to each."""

    def __init__(self, options: Sequence[EditOption], embed: Embed) -> None:
        self._options = options
        self._embed = embed
        self._vectors = [embed(option.words) if option.words else None for option in options]

    def problem(self, text: str, chosen: int, least: float = LEAST, margin: float = MARGIN) -> str:
        """Why a text is not about the option of this number; empty where it is, or where any words will do.

        It is, if it is like one of the option's own words by `least`, and no other option is nearer by `margin` in the
        mean over its words.
        """
        own = self._vectors[chosen]
        if own is None:
            return ""
        vector = self._embed([text])[0]
        name = self._options[chosen].name
        if float((own @ vector).max()) < least:
            return f"it does not ask for {name!r}, the option that it names; say what that option does"
        means = [float((words @ vector).mean()) if words is not None else -1.0 for words in self._vectors]
        nearest = max(range(len(means)), key=lambda place: means[place])
        if means[nearest] > means[chosen] + margin:
            near = self._nearest_words(vector, nearest)
            return f"it asks for {near!r} and not for {name!r}; name that option, or say what yours does"
        return ""

    def _nearest_words(self, vector: NDArray[np.float32], place: int) -> str:
        words = self._vectors[place]
        assert words is not None
        return self._options[place].words[int((words @ vector).argmax())]
