"""Rows judged by an executor, a few at once, told in their order; a row that is lost with its worker has an outcome."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from agent.judge_row import judge_row_alone, unreadable
from agent.judged import Judged
from agent.pair_list import ListedPair
from agent.profile import Profile
from ditto_models.executors.base import Executor, WorkerLost


def judge_rows(
    rows: Iterable[ListedPair], executor: Executor, profile: Profile, workers: int, with_sheet: bool
) -> Generator[Judged, None, None]:
    """Judge rows as they come, at most `workers` at once and one more waiting.

    Raises:
        AssetError: a bundled weight cannot be had.
    """
    given = profile.model_dump_json()

    def judge(row: ListedPair) -> Judged:
        try:
            return asyncio.run(executor.run(judge_row_alone, row, given, with_sheet)).value
        except WorkerLost as lost:
            return unreadable(row, str(lost))

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
        threads.shutdown(cancel_futures=True)
