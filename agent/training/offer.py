"""Offers training to the planner, and carries out what it calls: a job ordered, or declined with a reason."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from langchain_core.tools import BaseTool
from pydantic import JsonValue, TypeAdapter

from agent.nodes import is_of_sample
from agent.plain import plain
from agent.planner import Ask, Planner, PlannerModel, default_arguments
from agent.state import Call, unasked
from agent.training.config import TrainingConfig
from agent.training.pairs import campaign_block, legal_training, to_train_on
from ditto_models.call_log import ChatCall, recording
from ditto_models.train.recipe import RecipeError, load_recipe
from memory.jobs import Job, JobTable, TrainingCall, Why
from memory.sample import ModelCall, Sample
from tools.decline_training import decline_training
from tools.result import ToolError, ToolResult
from tools.train_editto import PairFilter, train_editto

MENDS = 2
"""How often a call that could not be carried out is asked for again."""
_JSON: TypeAdapter[dict[str, JsonValue]] = TypeAdapter(dict[str, JsonValue])


@dataclass(frozen=True, kw_only=True)
class TrainingDesk:
    """Where training is offered and ordered."""

    config: TrainingConfig
    table: JobTable
    model: PlannerModel
    seed: int
    accepted: Callable[[], Iterable[Sample]]
    keep_calls: Callable[[Sequence[ChatCall]], Awaitable[list[ModelCall]]]
    """Makes of calls to served models what the ledger keeps of them."""

    async def offer(self, why: Why, jobs: Sequence[Job], new: int) -> TrainingCall | None:
        """Have the planner train or decline; `new` pairs were accepted since it was last asked.

        Returns the last call that was made, which the ledger has; None where there is too little to train on, so that
        nothing was offered.

        Raises:
            LedgerError: what was called cannot be written down.
        """
        samples = await asyncio.to_thread(lambda: list(self.accepted()))
        if len(to_train_on(samples, self.config, PairFilter())) < self.config.least_pairs:
            return None
        legal, tools = legal_training(self.config, samples), self._tools(why, jobs, samples)
        planner, made = Planner(self.model, tools), list[TrainingCall]()
        seed = self.seed + len(self.table.calls())
        while not made or (made[-1].error and len(made) <= MENDS):
            block = campaign_block(samples, why, new, jobs, made, legal)
            ask = Ask(state=block, sheet_png=None, legal=legal, seed=seed + len(made), system="training_system")
            with recording() as said:
                try:
                    call = await planner.decide(ask)
                except Exception as error:
                    if not is_of_sample(error):
                        raise
                    return self._keep(await self._undecided(why, len(samples), error, said))
            call["calls"] = await self.keep_calls(said)
            made.append(await self._carried_out(call, why, len(samples), tools))
        return made[-1]

    async def order(self, jobs: Sequence[Job]) -> TrainingCall:
        """Train as a person asks: what policy takes where nobody chooses.

        Raises:
            LedgerError: the order cannot be written down.
        """
        samples = await asyncio.to_thread(lambda: list(self.accepted()))
        tools, [train, _] = self._tools("person", jobs, samples), legal_training(self.config, samples)
        call = unasked(train.tool, default_arguments(train, tools[train.tool]), "person")
        return await self._carried_out(call, "person", len(samples), tools)

    def _tools(self, why: Why, jobs: Sequence[Job], samples: Sequence[Sample]) -> Mapping[str, BaseTool]:
        def order(recipe: str, wanted: PairFilter) -> str:
            try:
                job = ordered(self.config, recipe, wanted, why, jobs, len(samples))
            except RecipeError as error:
                raise ToolError(str(error)) from error
            self.table.put(job)
            return job.id

        def count(wanted: PairFilter) -> int:
            return len(to_train_on(samples, self.config, wanted))

        return {
            "train_editto": train_editto(count, self.config.least_pairs, order),
            "decline_training": decline_training(),
        }

    async def _carried_out(self, call: Call, why: Why, accepted: int, tools: Mapping[str, BaseTool]) -> TrainingCall:
        made = TrainingCall(
            why=why,
            accepted=accepted,
            tool=call["tool"],
            arguments=_JSON.validate_python(call["arguments"]),
            by="person" if why == "person" else "policy" if call["planner_fallback"] else "planner",
            model=call["model"],
            prompt_hash=call["prompt_hash"],
            tokens=call["tokens"],
            seconds=call["seconds"],
            refusals=call["refusals"],
            planner_fallback=call["planner_fallback"],
            calls=call["calls"],
        )
        try:
            result: ToolResult = await tools[call["tool"]].ainvoke(call["arguments"])
        except ToolError as error:
            return self._keep(made.model_copy(update={"error": plain(str(error))}))
        return self._keep(made.model_copy(update={"note": plain(result.note), "job": result.changes.get("job")}))

    async def _undecided(self, why: Why, accepted: int, error: Exception, said: Sequence[ChatCall]) -> TrainingCall:
        return TrainingCall(
            why=why,
            accepted=accepted,
            tool="plan",
            arguments={},
            by="policy",
            model=self.model.name,
            calls=await self.keep_calls(said),
            error=plain(f"{type(error).__name__}: {error}"),
        )

    def _keep(self, call: TrainingCall) -> TrainingCall:
        return self.table.add_call(call)


def ordered(
    config: TrainingConfig, recipe: str, wanted: PairFilter, why: Why, jobs: Sequence[Job], accepted: int
) -> Job:
    """A job that waits for its beginning, numbered after the others.

    Raises:
        RecipeError: the recipe or an override of it cannot be used.
    """
    overrides = [*_filter(config), *wanted_besides(config, wanted), *config.overrides]
    return Job(
        id=f"job-{len(jobs) + 1:04d}",
        why=why,
        recipe=recipe,
        overrides=overrides,
        accepted=accepted,
        steps=load_recipe(recipe, overrides).steps,
    )


def _filter(config: TrainingConfig) -> list[str]:
    kinds = [f"data.edit_types=[{', '.join(config.edit_types)}]"] if config.edit_types else []
    return [*(f"data.min_scores.{axis}={score:g}" for axis, score in config.min_scores.items()), *kinds]


def wanted_besides(config: TrainingConfig, wanted: PairFilter) -> list[str]:
    """What the planner asks for beyond the profile's filter: a score of the profile is not lowered."""
    if config.min_scores.get(wanted.axis, -1.0) >= wanted.least_score:
        wanted = PairFilter(scope=wanted.scope)
    return wanted.overrides()
