"""The scores of a model beside those that were measured, unless what was measured rejects already."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from memory.sample import Critique, Score, Verdict

NOT_ASKED = "not asked: what was measured rejects it already"


async def verdict_beside(
    measured: Critique,
    rule: Callable[[Critique], Verdict],
    axes: Sequence[str],
    ask: Callable[[], Awaitable[Critique]],
    score_rejected: bool,
) -> Verdict:
    """The verdict on both. `ask` gets the model's scores on `axes`; it is not called where they could change nothing.

    What counts and failed rejects by itself, whatever else there is, so nothing is lost by not asking.
    """
    if not score_rejected and rule(measured).decision == "rejected":
        unasked = dict.fromkeys(axes, Score(value=None, reason=NOT_ASKED))
        return rule(Critique(scores={**measured.scores, **unasked}))
    return rule(Critique(scores={**measured.scores, **(await ask()).scores}))
