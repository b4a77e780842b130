"""The verdict on a pair that no run made: the run's critic, thresholds and rules, less what it cannot have."""

from __future__ import annotations

from agent.context import build_pair_critic
from agent.policy import judge, not_needed
from agent.profile import Profile
from memory.sample import Verdict
from tools.critic.of_pair import Pair


def judge_pair(pair: Pair, profile: Profile) -> Verdict:
    """Judge a pair as the profile's runs are judged; without a key frame, following it is not required.

    Raises:
        ProfileError: the profile's critic cannot be built.
        AssetError: a bundled weight cannot be had.
    """
    critic = build_pair_critic(profile)
    instruction = critic.matched(pair.instruction)
    spared = not_needed(instruction.scope) if instruction else frozenset()
    return judge(critic.judge(pair), profile.policy.thresholds, spared | _impossible(pair))


def _impossible(pair: Pair) -> frozenset[str]:
    return frozenset({"distinct"} if pair.key_edited is not None else {"distinct", "key_frame_followed"})
