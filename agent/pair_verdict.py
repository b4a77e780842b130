"""The verdict on a pair that no run made: the run's critic, thresholds and rules, less what it cannot have."""

from __future__ import annotations

from agent.policy import PolicyConfig
from agent.verdicts import judge
from memory.sample import Verdict
from tools.critic.of_pair import Pair, PairCritic


def verdict_of(pair: Pair, critic: PairCritic, policy: PolicyConfig) -> Verdict:
    """Judge a pair as a run's are judged; without a key frame, following it is not required."""
    return judge(critic.judge(pair), policy.thresholds, _impossible(pair), policy.combine)


def _impossible(pair: Pair) -> frozenset[str]:
    return frozenset({"distinct"} if pair.key_edited is not None else {"distinct", "key_frame_followed"})
