"""A real browser on a studio that runs as a process of its own: Debian's Chromium, led by Playwright.

    def test_something(studio: StartStudio, run: Path, page: Page) -> None:
        page.goto(f"{studio(run).address}/runs/run/samples")

`page` fails its test on anything that the browser complains of: an error in its console, a request that failed, one
that leaves the studio. A test that wants one of those asks for `problems` too, looks at them, and clears them.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

ROOT = Path(__file__).parent.parent
NAMES = ("chromium", "chromium-browser", "google-chrome")
MISSING = (
    f"the tests in a real browser need one of {', '.join(NAMES)} on the PATH; "
    "on Debian: apt-get update && apt-get install -y --no-install-recommends chromium (.ci/run does it)"
)
REBOUND = "rebound.example"
"""A name of somebody else that leads to this machine, in this browser only; all other names lead nowhere."""
SWITCHES = (
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--autoplay-policy=no-user-gesture-required",
    f"--host-resolver-rules=MAP {REBOUND} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
DESKTOP = (1280, 800)
PHONE = (390, 844)
WAIT_MS = 20_000
"""How long the browser waits for anything; two cores may be busy with other tests."""
GROUP = "browser"
"""All tests in a browser run in one process, so never two browsers at a time."""


@dataclass(frozen=True, kw_only=True)
class StudioProcess:
    """A studio that runs."""

    address: str
    """Without a slash at its end."""
    process: subprocess.Popen[str]

    def stop(self, with_signal: int = signal.SIGTERM) -> int:
        """Send a signal and wait; returns its exit code."""
        self.process.send_signal(with_signal)
        return self.process.wait(30)


StartStudio = Callable[..., StudioProcess]
"""`studio(run, "--read-only", ...)`: the run's folder, then what else the command is given."""


@contextmanager
def serving(*arguments: str | Path, port: int = 0) -> Iterator[StudioProcess]:
    """A studio over a run until the block ends."""
    command = [sys.executable, "-m", "agent.studio", *map(str, arguments), "--port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert " on http://" in line, f"the studio ended with {process.wait(30)} instead of saying where it is"
        started = StudioProcess(address=line.split(" on ")[1].split()[0], process=process)
        yield started
        if process.poll() is None:
            assert started.stop() == 0, "a studio that is ended by SIGTERM ends well"
    finally:
        process.kill()
        process.wait(30)


@pytest.fixture
def studio() -> Iterator[StartStudio]:
    """Starts studios that end with the test."""
    open_studios = []

    def start(*arguments: str | Path, port: int = 0) -> StudioProcess:
        block = serving(*arguments, port=port)
        started = block.__enter__()
        open_studios.append(block)
        return started

    yield start
    for block in open_studios:
        block.__exit__(None, None, None)


def found_browser() -> str:
    """Where the system's Chromium is."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.fail(MISSING, pytrace=False)
    return found


@dataclass(frozen=True, kw_only=True)
class _Led:
    browser: Browser
    loop: asyncio.AbstractEventLoop

    @contextmanager
    def awake(self) -> Iterator[Browser]:
        """Playwright's loop counts as running from its start to its end; other tests want to run their own."""
        asyncio._set_running_loop(self.loop)
        try:
            yield self.browser
        finally:
            asyncio._set_running_loop(None)


@pytest.fixture(scope="session")
def led_browser() -> Iterator[_Led]:
    """One browser for all tests of a process."""
    executable = found_browser()
    playwright = sync_playwright().start()
    led = None
    try:
        unboxed = () if os.geteuid() else ("--no-sandbox",)
        browser = playwright.chromium.launch(executable_path=executable, args=[*SWITCHES, *unboxed])
        led = _Led(browser=browser, loop=asyncio.get_running_loop())
        asyncio._set_running_loop(None)
        yield led
    finally:
        if led is not None:
            asyncio._set_running_loop(led.loop)
            led.browser.close()
        playwright.stop()


@pytest.fixture
def browser(led_browser: _Led) -> Iterator[Browser]:
    """The browser itself, for tests that want contexts of their own."""
    with led_browser.awake() as awake:
        yield awake
        for context in awake.contexts:
            context.close()


@pytest.fixture
def problems() -> list[str]:
    """What the browser complained of so far."""
    return []


@pytest.fixture
def page(browser: Browser, problems: list[str], request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Page]:
    """A page of a desktop's size that lets nothing pass that the browser complains of."""
    made = watched(browser.new_context(viewport={"width": DESKTOP[0], "height": DESKTOP[1]}), problems)
    yield made
    if problems or request.node.stash.get(FAILED, False):
        made.screenshot(path=tmp_path / "failed.png", full_page=True)
        print(f"the page as it was: {tmp_path / 'failed.png'}")
    assert not problems, "\n".join(problems)


def watched(context: BrowserContext, problems: list[str]) -> Page:
    """A page that writes down what the browser complains of."""
    context.set_default_timeout(WAIT_MS)
    made = context.new_page()

    def logged(message: ConsoleMessage) -> None:
        if message.type == "error":
            problems.append(f"console: {message.text} ({message.location.get('url', '')})")

    def asked(asking: Request) -> None:
        if _leaves(asking):
            problems.append(f"a request left the studio: {asking.url}")

    def failed(asking: Request) -> None:
        # Leaving a page breaks off what it still loads.
        if asking.failure != "net::ERR_ABORTED":
            problems.append(f"request failed: {asking.method} {asking.url}: {asking.failure}")

    made.on("console", logged)
    made.on("pageerror", lambda error: problems.append(f"error in a script: {error}"))
    made.on("request", asked)
    made.on("requestfailed", failed)
    return made


def _leaves(asking: Request) -> bool:
    to = urlsplit(asking.url)
    if to.scheme in ("data", "blob", "file", "about"):
        return False
    if asking.is_navigation_request():
        return to.hostname != "127.0.0.1"
    return to.netloc != urlsplit(asking.frame.url).netloc


FAILED: pytest.StashKey[bool] = pytest.StashKey()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let `page` know that its test failed."""
    report = yield
    if report.when == "call":
        item.stash[FAILED] = report.failed
    return report
