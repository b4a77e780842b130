"""Fixtures that several test files share, and which tests run beside each other."""

from __future__ import annotations

import pytest
from hypothesis import settings

from tests.browser import GROUP, browser, led_browser, page, problems, pytest_runtest_makereport, studio
from tests.pretended_machine import quick_models, two_gpus, vace_profile
from tests.quick_torch import quick_torch
from tests.shown_runs import shown_runs
from tests.small_disk import small_disk
from tests.tiny_hub import model_hub
from tests.training_runs import quick_glances, train_clips
from tests.vllm_server import servers, trained_server, vllm_server, vllm_servers

__all__ = [
    "browser",
    "led_browser",
    "model_hub",
    "page",
    "problems",
    "pytest_runtest_makereport",
    "quick_glances",
    "quick_models",
    "quick_torch",
    "servers",
    "shown_runs",
    "small_disk",
    "studio",
    "train_clips",
    "trained_server",
    "two_gpus",
    "vace_profile",
    "vllm_server",
    "vllm_servers",
]


# Timings are no assertions: a first example may import a library of eight seconds.
settings.register_profile("ditto", deadline=None)
settings.load_profile("ditto")


LONGEST = ("vllm", GROUP, "test_gpu_runs", "test_trainer_processes", "test_main_job", "test_commands")
"""Groups of tests that take the longest. They begin first, or one process would end alone with them."""


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With `-n`, a file stays in one process; all that ask a real vLLM server are in one, and all that open a browser.

    A file with some tests in a browser goes there whole, so that its own fixtures are made once.
    """
    in_browser = {item.path for item in items if "led_browser" in getattr(item, "fixturenames", ())}
    groups: dict[pytest.Item, str] = {}
    for item in items:
        asks_server = "servers" in getattr(item, "fixturenames", ())
        group = GROUP if item.path in in_browser else item.path.stem
        groups[item] = "vllm" if asks_server else group
        item.add_marker(pytest.mark.xdist_group(groups[item]))
    items.sort(key=lambda item: LONGEST.index(groups[item]) if groups[item] in LONGEST else len(LONGEST))
