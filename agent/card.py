"""The dataset's card: RUN/dataset/README.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from agent.diversity import Diversity, diversity
from agent.provenance import code_version
from agent.run_config import RunConfig
from memory.sample import Sample
from prompts.library import render


def dataset_card(samples: Iterable[Sample], config: RunConfig, variety: Diversity | None = None) -> str:
    """What is in the dataset and how it was made; `samples` are the accepted ones.

    `variety` is that of the samples where it was measured with neighbours; else the card says what needs none.
    """
    samples = list(samples)
    variety = variety or diversity(samples)
    kinds = Counter(sample.instruction.edit_type for sample in samples if sample.instruction)
    return render(
        "dataset_card",
        pairs=kinds.total(),
        edit_types=kinds.most_common(),
        diversity=variety.lines(),
        profile=config.profile_name,
        config_hash=config.profile.hash,
        seed=config.seed,
        code_version=code_version(),
    ).text
