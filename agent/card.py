"""The dataset's card: RUN/dataset/README.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from agent.provenance import code_version
from agent.run_config import RunConfig
from memory.sample import Sample
from prompts.library import render


def dataset_card(samples: Iterable[Sample], config: RunConfig) -> str:
    """What is in the dataset and how it was made; `samples` are the accepted ones."""
    kinds = Counter(sample.instruction.edit_type for sample in samples if sample.instruction)
    return render(
        "dataset_card",
        pairs=kinds.total(),
        edit_types=kinds.most_common(),
        profile=config.profile_name,
        config_hash=config.profile.hash,
        seed=config.seed,
        code_version=code_version(),
    ).text
