"""Rows judged by an executor, a few at once, told in their order; a row that is lost with its worker has an outcome.

Reading and measuring happen in the executor, a model is asked from here: waiting for its server is no fault of a row.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from agent.judge.judged import Judged
from agent.judge.pair_list import ListedPair
from agent.judge.row import judged_row, measure_row_alone, unreadable
from agent.profile import Profile
from ditto_models.executors.base import Executor, WorkerLost
from memory.sample import Critique
from tools.critic.model_judge import Shown

Ask = Callable[[Shown, str], Critique]
"""A pair as it is shown, and its instruction, to what a model says of it; called in several threads."""


def judge_rows(
    rows: Iterable[ListedPair],
    executor: Executor,
    profile: Profile,
    workers: int,
    with_sheet: bool,
    ask: Ask | None = None,
    give_up: Callable[[], None] = lambda: None,
) -> Generator[Judged, None, None]:
    """Judge rows as they come, at most `workers` at once and one more waiting.

    `give_up` ends what `ask` waits for, when no more rows are wanted.

    Raises:
        AssetError: a bundled weight cannot be had.
    """
    given = profile.model_dump_json()

    def judge(row: ListedPair) -> Judged:
        try:
            measured = asyncio.run(executor.run(measure_row_alone, row, given, with_sheet)).value
        except WorkerLost as lost:
            return unreadable(row, str(lost))
        if isinstance(measured, Judged):
            return measured
        said = ask(measured.shown, row.instruction) if ask and measured.shown else None
        return judged_row(measured, said, profile.policy)

    threads = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="judge")
    waiting: deque[Future[Judged]] = deque()
    try:
        for row in rows:
            waiting.append(threads.submit(judge, row))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        give_up()
        threads.shutdown(cancel_futures=True)
