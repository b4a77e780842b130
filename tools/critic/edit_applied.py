"""edit_applied: whether the look changed as the instruction says, by the catalogue's expectation of it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ditto_models.base import Frame, Mask
from ditto_models.metrics.appearance import changes
from memory.sample import Score
from tools.catalogue import Measure
from tools.critic.evidence import Evidence
from tools.critic.grade import Scale

FRAMES = 5
CREDIT = Scale(good=0.9, border=0.45, bad=0.0)
"""Share of the expected change that was made. Half of it is a subtle edit; less would be missed."""


def edit_applied(evidence: Evidence) -> Score:
    """Mean over the expected changes, of the share of each that was made; the frame that did worst counts half."""
    expectation = evidence.expectation
    if expectation is None:
        return Score(value=None, reason="no measurable expectation for this instruction")
    if not expectation.changes:
        return Score(value=None, reason="the catalogue expects no measurable change of this instruction")
    found = [one for one in (_changes(evidence, index) for index in _spread(len(evidence.source))) if one is not None]
    if not found:
        return Score(value=None, reason=f"the {expectation.region} is not visible, so the edit cannot be measured")
    credits = [_credit(one, expectation.changes) for one in found]
    share = (float(np.mean(credits)) + float(np.min(credits))) / 2
    figures = {name: float(np.mean([one[name] for one in found])) for name in expectation.changes}
    said = ", ".join(f"{name} {figures[name]:+.2g} of {wanted:+.2g}" for name, wanted in expectation.changes.items())
    return Score(value=CREDIT.grade(share), reason=said.replace("_", " "))


def _spread(number: int) -> list[int]:
    return sorted({int(index) for index in np.linspace(0, number - 1, FRAMES).round()})


def _changes(evidence: Evidence, index: int) -> dict[str, float] | None:
    weights = evidence.weights(index)
    if weights is None:
        return None
    colour = evidence.parameters.get("colour")
    target = colour if isinstance(colour, str) else None
    source: Frame = evidence.source[index]
    sure: Mask = np.asarray(weights > 0.5, dtype=np.float32) * weights
    return changes(source, evidence.edited[index], sure, target)


def _credit(found: dict[str, float], wanted: Mapping[Measure, float]) -> float:
    return float(np.mean([np.clip(found[name] / change, 0, 1) for name, change in wanted.items() if change]))
