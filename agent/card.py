"""The dataset's card: RUN/dataset/README.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from agent.diversity import Diversity, diversity
from agent.profile import SERVED, Profile
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
        served=served_models(config.profile),
        editor=config.profile.editor.kind,
        config_hash=config.profile.hash,
        seed=config.seed,
        code_version=code_version(),
    ).text


ROLES = {"planner": "planned", "describer": "captioned", "writer": "wrote instructions", "judge": "judged"}
"""What a served model did, by slot."""


def served_models(profile: Profile) -> list[tuple[str, str]]:
    """Each vision-language model that took part, and what it did, in words."""
    did: dict[str, list[str]] = {}
    for slot, role in ROLES.items():
        component = getattr(profile, slot)
        if component.kind == SERVED:
            did.setdefault(profile.served_model(component), []).append(role)
    return [(model, ", ".join(roles)) for model, roles in did.items()]
