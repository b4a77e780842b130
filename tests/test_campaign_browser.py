"""A campaign that runs, watched, paused, resumed and killed in a real browser."""

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from agent.pause import NobodyRuns, order_pause
from memory.ledger import Ledger
from tests.browser import StartStudio
from tests.commands import ROOT
from tests.fake_run import make_clips
from tests.training_runs import wait_until

pytestmark = pytest.mark.slow
DRAWN = "canvas => { const c = Chart.getChart(canvas); return [c.config.type, c.data.labels.length]; }"


def paused(run: Path) -> bool:
    """Whether a pause could be ordered, because the campaign has begun."""
    if not (run / "ledger.sqlite").exists():
        return False
    with closing(Ledger(run / "ledger.sqlite")) as ledger:
        try:
            order_pause(run, ledger, "pause")
        except NobodyRuns:
            return False
    return True


def test_a_person_pauses_a_campaign_and_lets_it_go_on(studio: StartStudio, page: Page, tmp_path: Path) -> None:
    run, clips = tmp_path / "run", make_clips(tmp_path / "clips", count=4)
    # It would go on for minutes.
    command = [sys.executable, "-m", "tests.fake_worker", str(run), str(clips), "400", "edits_per_clip=100"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: paused(run))
        page.goto(f"{studio(run).address}/runs/run/campaign")
        expect(page.get_by_text("Paused", exact=True)).to_be_visible()
        go_on = page.get_by_role("button", name="Go on")
        go_on.focus()
        with page.expect_response("**/campaign/progress"):
            pass
        expect(go_on).to_be_focused()  # although the panel was brought up to date meanwhile
        page.keyboard.press("Enter")
        expect(page.get_by_text("Running", exact=True)).to_be_visible()
        expect(page.get_by_text("accepted", exact=False).first).to_be_visible()
        page.get_by_role("button", name="Pause").click()
        expect(page.get_by_text("Paused", exact=True)).to_be_visible()
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()
    expect(page.get_by_text("Killed", exact=True)).to_be_visible()  # without a reload
    expect(page.get_by_role("button", name="Go on")).to_have_count(0)
    page.reload()
    summary = page.locator("#table-funnel > summary")
    summary.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="How far samples came, as a table")).to_be_visible()
    kind, labels = page.locator("#chart-funnel").evaluate(DRAWN)
    assert (kind, labels) == ("bar", 9)
