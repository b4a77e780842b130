"""What a campaign has to train on: the accepted pairs counted, as the planner reads it and as a filter leaves them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from pydantic import JsonValue

from agent.policy import LegalCall
from agent.training.config import TrainingConfig
from memory.dataset import split_of
from memory.jobs import Job, TrainingCall, Why
from memory.sample import Sample
from tools.train_editto import ANY_SCORE, PairFilter

JOBS_SHOWN = 4
"""The latest."""
ERROR_SHOWN = 300
"""Characters."""


def to_train_on(samples: Iterable[Sample], config: TrainingConfig, wanted: PairFilter) -> list[Sample]:
    """The accepted samples that the profile's filter and this one leave of the train split."""
    least = dict(config.min_scores)
    if wanted.axis != ANY_SCORE and wanted.least_score:
        least[wanted.axis] = max(least.get(wanted.axis, 0.0), wanted.least_score)
    return [sample for sample in samples if _is_wanted(sample, config, wanted, least)]


def _is_wanted(sample: Sample, config: TrainingConfig, wanted: PairFilter, least: Mapping[str, float]) -> bool:
    if not (sample.clip and sample.instruction) or split_of(sample.clip.sha256) != "train":
        return False
    if config.edit_types and sample.instruction.edit_type not in config.edit_types:
        return False
    if wanted.scope not in ("both", sample.instruction.scope):
        return False
    scores = _scores(sample)
    return all(scores.get(axis, -1.0) >= score for axis, score in least.items())


def _scores(sample: Sample) -> dict[str, float]:
    found = sample.verdict.scores if sample.verdict else {}
    return {axis: one.value for axis, one in found.items() if one.value is not None}


def legal_training(config: TrainingConfig, samples: Sequence[Sample]) -> tuple[LegalCall, ...]:
    """What may be called at campaign level: training first, with the choices that these accepted samples leave."""
    scopes = sorted({sample.instruction.scope for sample in samples if sample.instruction})
    axes = sorted(set[str]().union(*map(_scores, samples)))
    choices = {
        "recipe": config.recipes,
        "scope": ("both", *scopes) if len(scopes) > 1 else ("both",),
        "axis": (ANY_SCORE, *axes),
    }
    return LegalCall(tool="train_editto", choices=choices), LegalCall(tool="decline_training")


def campaign_block(
    samples: Sequence[Sample],
    why: Why,
    new: int,
    jobs: Sequence[Job],
    history: Sequence[TrainingCall],
    legal: Sequence[LegalCall],
) -> dict[str, JsonValue]:
    """The campaign as the planner reads it: one JSON object. `new` pairs were accepted since training was last offered;
    `history` are the calls of this offer that could not be carried out."""
    splits = Counter(split_of(sample.clip.sha256) for sample in samples if sample.clip)
    kinds = Counter(sample.instruction.edit_type for sample in samples if sample.instruction)
    scopes = Counter(sample.instruction.scope for sample in samples if sample.instruction)
    return {
        "stage": "campaign",
        "why": why,
        "pairs": {"accepted": len(samples), "new": new, **{split: splits[split] for split in sorted(splits)}},
        "edit_types": dict(kinds.most_common()),
        "scopes": dict(scopes.most_common()),
        "scores": _spread(samples),
        "jobs": [_job(job) for job in jobs[-JOBS_SHOWN:]],
        "history": [{"tool": call.tool, "arguments": call.arguments, "error": call.error} for call in history],
        "legal": [
            {"tool": call.tool, "choices": {name: list(values) for name, values in call.choices.items()}}
            for call in legal
        ],
    }


def _spread(samples: Sequence[Sample]) -> JsonValue:
    values: dict[str, list[float]] = {}
    for sample in samples:
        for axis, value in _scores(sample).items():
            values.setdefault(axis, []).append(value)
    return {
        axis: {"least": round(min(found), 3), "median": round(median(found), 3), "judged": len(found)}
        for axis, found in sorted(values.items())
    }


def _job(job: Job) -> JsonValue:
    return {
        "id": job.id,
        "status": job.status,
        "recipe": job.recipe,
        "accepted": job.accepted,
        "error": job.error[:ERROR_SHOWN],
        "evaluation": {
            kind: {"pairs": score.pairs, "passed": None if score.passed is None else round(score.passed, 3)}
            for kind, score in job.evaluation.items()
        },
    }
