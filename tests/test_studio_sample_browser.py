"""The page of one sample in a real browser: both halves in step, orders by keyboard, attacks shown as text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from memory.dataset import read_metadata
from memory.ledger import Ledger
from tests.browser import StudioProcess, serving
from tests.fake_run import make_clips, run_fake
from tests.hostile_sample import ATTACK, add_hostile_sample

pytestmark = pytest.mark.slow

HALVES = """
const root = document.querySelector("[data-player]"), video = root.querySelector("video");
const [width, height, step] = ["width", "height", "step"].map((name) => Number(root.dataset[name]));
const whole = Object.assign(document.createElement("canvas"), { width: video.videoWidth, height: video.videoHeight });
const drawn = whole.getContext("2d", { willReadFrequently: true });
drawn.drawImage(video, 0, 0);
const number = (tile) => {
  const strip = drawn.getImageData(0, tile * step + height + 8, 128, 1).data;
  let found = 0;
  for (let bit = 0; bit < 16; bit++) found = found * 2 + (strip[(bit * 8 + 4) * 4] > 128 ? 1 : 0);
  return found;
};
const apart = (pane, tile) => {
  const copy = Object.assign(document.createElement("canvas"), { width, height });
  const context = copy.getContext("2d", { willReadFrequently: true });
  context.drawImage(root.querySelectorAll(".player-pane canvas")[pane], 0, 0);
  const shown = context.getImageData(0, 0, width, height).data;
  const meant = drawn.getImageData(0, tile * step, width, height).data;
  return shown.reduce((most, level, at) => Math.max(most, Math.abs(level - meant[at])), 0);
};
"""
"""Reads what is on the screen: the frames' numbers from the strips, and how far a pane is from the tile it shows."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("watched")
    _, [sample] = run_fake(folder / "run", make_clips(folder / "clips", count=1), target=1)
    add_hostile_sample(folder / "run", sample)
    return folder / "run"


@pytest.fixture(scope="module")
def accepted(run: Path) -> str:
    return next(str(line["id"]) for line in read_metadata(run / "dataset"))


@pytest.fixture(scope="module")
def shown(run: Path) -> Iterator[StudioProcess]:
    with serving(run) as started:
        yield started


def watch(page: Page, shown: StudioProcess, sample: str) -> None:
    page.goto(f"{shown.address}/runs/run/samples/{sample}")
    page.wait_for_selector("[data-player][data-settled=yes]")


def settled(page: Page, frame: int) -> None:
    page.wait_for_selector(f"[data-player][data-settled=yes][data-shown='{frame}']")
    assert page.evaluate(f"() => {{ {HALVES} return [number(0), number(1), number(2)]; }}") == [frame] * 3


def test_both_halves_show_the_same_frame_wherever_it_is_scrubbed_to(
    shown: StudioProcess, page: Page, accepted: str
) -> None:
    watch(page, shown, accepted)
    scrubber = page.get_by_label("Frame", exact=True)
    for frame in (5, 0, 8, 3):
        scrubber.fill(str(frame))
        settled(page, frame)
        assert page.evaluate(f"() => {{ {HALVES} return [apart(0, 0), apart(1, 1)]; }}") == [0, 0]
    for key, frame in ((",", 2), (".", 3), (".", 4)):
        page.keyboard.press(key)
        settled(page, frame)
    page.keyboard.press("3")  # the difference, in the first pane
    assert page.get_by_role("radio", name="Difference").is_checked()
    assert page.evaluate(f"() => {{ {HALVES} return apart(0, 2); }}") == 0
    page.keyboard.press("2")
    page.get_by_role("slider", name="Wipe").fill("100")
    assert page.evaluate(f"() => {{ {HALVES} return apart(0, 0); }}") > 0  # the handle is drawn over it
    page.keyboard.press(" ")
    page.get_by_role("button", name="Pause").wait_for()
    page.wait_for_timeout(800)  # twice its length: it loops
    page.get_by_role("button", name="Pause").click()
    page.wait_for_selector("[data-player][data-settled=yes]")
    settled(page, int(page.locator("[data-player]").get_attribute("data-shown") or -1))


def test_a_person_rejects_by_keyboard_and_the_dataset_follows(
    shown: StudioProcess, page: Page, run: Path, accepted: str
) -> None:
    watch(page, shown, accepted)
    page.keyboard.type("halo")  # typed on while the page loaded: no "a" for accept
    assert not page.get_by_label("Why accept?").is_visible()
    page.locator("a[rel=next], a[rel=prev]").first.evaluate("link => link.onclick = () => false")  # it takes its time
    page.keyboard.press(page.locator("a[rel=next], a[rel=prev]").first.get_attribute("rel")[0])  # type: ignore[index]
    page.wait_for_timeout(1100)
    page.keyboard.press("r")  # meant for the sample that is not there yet
    assert not page.get_by_label("Why reject?").is_visible()
    watch(page, shown, accepted)
    page.keyboard.press("r")
    page.keyboard.type("n p a")  # keys of the page, were it not a field
    assert page.get_by_label("Why reject?").input_value() == "n p a"
    page.keyboard.press("Escape")
    assert not page.get_by_label("Why reject?").is_visible()
    assert [line["id"] for line in read_metadata(run / "dataset")] == [accepted]
    page.keyboard.press("r")
    page.keyboard.press("Control+a")
    page.keyboard.type("a halo, no")
    page.keyboard.press("Enter")
    page.get_by_text("Ordered;").wait_for()
    page.get_by_text("Rejected by a person: “a halo, no”").wait_for(
        timeout=60_000
    )  # nobody owns the run: a process does
    assert list(read_metadata(run / "dataset")) == []
    ledger = Ledger(run / "ledger.sqlite", read_only=True)
    labels = [(event.by, event.arguments["note"]) for event in ledger.events(accepted) if event.tool == "override"]
    ledger.close()
    assert labels == [("person", "a halo, no")]


def test_scripts_from_models_files_and_people_are_shown_as_text(
    shown: StudioProcess, page: Page, accepted: str
) -> None:
    watch(page, shown, accepted)
    page.keyboard.press("p")
    page.wait_for_url("**/samples/hostile-0001")
    visible = ATTACK.replace("\x1b", "\\x1b")
    assert page.get_by_role("heading", level=1).inner_text() == visible
    assert page.locator(".source code").inner_text() == f"/clips/{visible}.mp4"
    assert visible in page.locator(".source").inner_text().partition("“")[2]
    page.get_by_text("1 call of served models").click()
    page.get_by_role("link", name="Show the exact prompt and pictures").click()
    page.get_by_text("checked by its SHA-256").wait_for()
    assert page.locator("#exact pre").first.inner_text() == visible
    assert page.evaluate("window.hacked") is None
    page.keyboard.press("?")
    assert page.get_by_role("dialog").is_visible()
    page.keyboard.press("n")  # the dialog is open, so nothing is turned
    page.keyboard.press("Escape")
    assert page.url.endswith("/samples/hostile-0001")
