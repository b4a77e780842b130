"""The flywheel: from an evaluation of the trained editor to how often each edit type is asked for."""

from __future__ import annotations

from collections.abc import Mapping

from agent.training.config import FlywheelConfig
from memory.jobs import TypeScore


def quota_weights(evaluation: Mapping[str, TypeScore], config: FlywheelConfig) -> dict[str, float]:
    """By edit type, how much rather than others it is to be asked for: above 1 where the editor fails more than it
    does over all types together, below 1 where less.

    The weight is the type's share of failures over that of all, within `least` and `most`. A type's share is drawn
    towards that of all as if `trusted_pairs` more pairs had come out like those of all types together, so that a few
    pairs hardly count. Types of which nothing was judged are left out; they weigh 1.
    """
    judged = {kind: one for kind, one in evaluation.items() if one.passed is not None and one.pairs}
    failures = {kind: one.pairs * (1 - (one.passed or 0)) for kind, one in judged.items()}
    pairs = sum(one.pairs for one in judged.values())
    if not pairs or not sum(failures.values()):
        return dict.fromkeys(judged, 1.0)
    of_all = sum(failures.values()) / pairs
    prior = config.trusted_pairs
    shares = {kind: (failures[kind] + prior * of_all) / (one.pairs + prior) for kind, one in judged.items()}
    return {kind: min(config.most, max(config.least, share / of_all)) for kind, share in shares.items()}
