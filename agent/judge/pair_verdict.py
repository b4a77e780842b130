"""The verdict on a pair that no run made: the run's critic, judge, thresholds and rules, less what it cannot have."""

from __future__ import annotations

from agent.policy import PolicyConfig
from agent.verdicts import judge
from memory.sample import Critique, Verdict
from tools.critic.of_pair import Pair, PairCritic

ALONE = frozenset({"distinct"})
"""What a pair by itself cannot be judged on."""
WITHOUT_KEY_FRAME = ALONE | {"key_frame_followed"}


def verdict_of(pair: Pair, critic: PairCritic, policy: PolicyConfig) -> Verdict:
    """Judge a pair as a run's are judged, by measuring alone; without a key frame, following it is not required."""
    return verdict_on(critic.judge(pair), policy, impossible(pair))


def verdict_on(
    measured: Critique, policy: PolicyConfig, not_needed: frozenset[str], said: Critique | None = None
) -> Verdict:
    """The verdict on what was measured and on what a model said beside it."""
    scores = measured.scores | (said.scores if said else {})
    return judge(Critique(scores=scores), policy.thresholds, not_needed, policy.combine)


def impossible(pair: Pair) -> frozenset[str]:
    """The axes that a pair by itself cannot be judged on."""
    return ALONE if pair.key_edited is not None else WITHOUT_KEY_FRAME
