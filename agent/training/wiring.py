"""Puts the training of an open run together, and refuses settings of it that no job could use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from agent.offers import OfferBook
from agent.planner import PlannerModel
from agent.profile import Profile, ProfileError
from agent.training.job import JobRunner, StopSign
from agent.training.offer import TrainingDesk, ordered
from agent.training.trainings import Training
from ditto_models.call_log import ChatCall
from ditto_models.train.recipe import RecipeError
from memory.jobs import Job
from memory.ledger import Ledger
from memory.sample import ModelCall
from tools.train_editto import PairFilter


def open_training(
    *,
    run: Path,
    profile: Profile,
    seed: int,
    ledger: Ledger,
    planner: PlannerModel,
    book: OfferBook,
    keep_calls: Callable[[Sequence[ChatCall]], Awaitable[list[ModelCall]]],
    free: Callable[[], Awaitable[None]],
    say: Callable[[str], None],
) -> Training:
    """The trainings of a run, those of earlier sessions included; only for the run's owner."""

    # The runner tells the training what becomes of a job, and is made before it.
    def keep(job: Job) -> None:
        training.keep(job)

    def tell(line: str) -> None:
        training.say(line)

    desk = TrainingDesk(
        config=profile.training,
        table=ledger.jobs,
        model=planner,
        seed=seed,
        accepted=lambda: (row.sample for row in ledger.rows("decision = 'accepted'")),
        keep_calls=keep_calls,
    )
    training = Training(
        config=profile.training,
        ledger=ledger,
        desk=desk,
        runner=JobRunner(run=run, profile=profile, keep=keep, say=tell, stop=StopSign()),
        book=book,
        free=free,
        say=say,
    )
    return training


def check_training(profile: Profile) -> None:
    """Refuse what would end every job at its beginning, hours after the campaign's.

    Raises:
        ProfileError: a recipe or an override of it cannot be used, or a score is asked for that no pair has.
    """
    config = profile.training
    if not config.is_on:
        return
    if unknown := sorted(config.min_scores.keys() - profile.policy.thresholds.keys()):
        known = ", ".join(sorted(profile.policy.thresholds))
        raise ProfileError(f"training.min_scores: no pair is scored on {', '.join(unknown)}; expected some of {known}")
    for recipe in config.recipes:
        try:
            ordered(config, recipe, PairFilter(), "end", (), 0)
        except RecipeError as error:
            raise ProfileError(f"training.recipes: {error}") from error
