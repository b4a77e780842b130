"""The dataset's card: RUN/dataset/README.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from agent.profile import Profile
from agent.provenance import code_version
from memory.sample import Sample
from prompts.library import render


def dataset_card(samples: Iterable[Sample], profile_name: str, profile: Profile, seed: int) -> str:
    """What is in the dataset and how it was made; `samples` are the accepted ones."""
    kinds = Counter(sample.instruction.edit_type for sample in samples if sample.instruction)
    return render(
        "dataset_card",
        pairs=kinds.total(),
        edit_types=kinds.most_common(),
        profile=profile_name,
        config_hash=profile.hash,
        seed=seed,
        code_version=code_version(),
    ).text
