"""A person talks an edit into shape in a real browser: to a saved pair, through a killed studio, and past refusals."""

import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from agent.run_config import RunConfig, settle_config
from ditto_models import assets, video
from memory.ledger import Ledger
from memory.owner import Owner
from tests.browser import PHONE, StartStudio, StudioProcess, serving
from tests.fake_run import fake_profile, make_clips, run_fake
from tests.talks_by_hand import HandTalk

pytestmark = pytest.mark.slow
PATIENCE_MS = 120_000
"""For the agent, which loads its models in a process of its own, on a machine that does other things too."""
SCRIPT = "<script>document.title = 'pwned'</script>"


def small_film(path: Path) -> Path:
    """A second of a real clip, small, under a name that is a script."""
    window = video.read_window(assets.sample_clips() / "bigbuckbunny.mp4", 0.7, 1.7, 25, 192, 108)
    film = path / "<img src=x onerror=alert(1)>.mp4"
    video.write(film, window.frames, window.fps)
    return film


def test_a_conversation_with_a_video_of_ones_own_becomes_a_pair_though_the_studio_is_killed(
    studio: StartStudio, page: Page, problems: list[str], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    profile = fake_profile("decoder.kind=process", "clips.max_width=128", "clips.max_height=72")
    settle_config(run, RunConfig(profile_name="embedded", seed=0, clips=str(tmp_path), profile=profile), False)
    Ledger(run / "ledger.sqlite").close()
    first = studio(run)
    page.goto(f"{first.address}/runs/run/clips")
    page.locator("input[type=file]").set_input_files(small_film(tmp_path))
    page.wait_for_url("**/uploads/*.mp4", timeout=PATIENCE_MS)
    page.get_by_role("slider").press("End")
    expect(page.get_by_role("img", name="Frame 23")).to_be_visible()
    page.get_by_label("What should change").fill("Make it snow")
    page.keyboard.press("Enter")
    page.wait_for_url("**/talks/talk-*")
    talk = page.url

    first.stop(signal.SIGKILL)
    page.get_by_label("What should").fill("stronger")
    page.keyboard.press("Enter")
    expect(page.locator("#gone")).to_contain_text("does not answer")
    studio(run, port=urlsplit(talk).port)
    expect(page.locator("#gone")).to_be_empty()
    expect(page.get_by_label("What should")).to_have_value("stronger")
    problems.clear()  # requests that nobody answered

    expect(page.get_by_role("button", name="Make this video").first).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_label("What should")).to_have_value("stronger")
    page.get_by_label("What should").press("Enter")
    expect(page.get_by_label("What should")).to_have_value("")
    expect(page.locator(".by-agent")).to_have_count(2, timeout=PATIENCE_MS)
    make = page.get_by_role("button", name="Make this video").first
    make.focus(timeout=PATIENCE_MS)
    page.keyboard.press("Enter")
    expect(page.locator("#keep")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.locator(".player")).to_have_attribute("data-ready", "yes")
    page.get_by_role("button", name="Keep: give it to the dataset").click()
    expect(page.locator("#ended")).to_contain_text("This pair is in the dataset", timeout=PATIENCE_MS)
    line = (run / "dataset" / "shard-00000" / "metadata.jsonl").read_text()
    assert Path(urlsplit(talk).path).name in line


@pytest.fixture(scope="module")
def talked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[StudioProcess, Ledger]]:
    """A studio over a run that somebody owns who does nothing."""
    folder = tmp_path_factory.mktemp("talked")
    run = folder / "run"
    run_fake(run, make_clips(folder / "clips"), target=1)
    with Owner(run), serving(run) as started:
        ledger = Ledger(run / "ledger.sqlite")
        yield started, ledger
        ledger.close()


def test_typed_words_and_focus_stay_while_the_agent_answers_and_after_a_refusal(
    talked: tuple[StudioProcess, Ledger], page: Page
) -> None:
    shown, ledger = talked
    talk = HandTalk.begun(ledger, 1, "Make it snow")
    talk.look()
    page.goto(f"{shown.address}/runs/run/talks/{talk.sample.id}")
    box = page.get_by_label("What should")
    expect(page.locator("#now")).to_contain_text("Thinking of edits")
    page.locator("#now").get_by_role("button", name="Cancel").click()
    expect(page.locator(".pending")).to_contain_text("Stop.")
    for number, _ in ledger.open_commands():
        ledger.finish_command(number, "done")
    box.fill("weaker")
    box.press("Enter")
    expect(page.locator("#refused")).to_have_text("the agent is at work; wait for it, or cancel")
    talk.propose("Make it snow", f"Make it rain {SCRIPT}")
    talk.preview()
    expect(page.get_by_role("region", name="Proposal 2")).to_contain_text(SCRIPT)
    assert page.title() == "Conversation · Ditto studio"
    expect(box).to_have_value("weaker")
    expect(box).to_be_focused()
    box.press("Shift+Enter")
    expect(box).to_have_value("weaker\n")
    page.get_by_role("button", name="Choose: number 2").press("Enter")
    expect(page.locator(".pending").last).to_contain_text("I take number 2.")
    expect(box).to_have_value("weaker\n")


def test_what_is_no_video_or_too_large_is_refused_in_a_line(
    talked: tuple[StudioProcess, Ledger], page: Page, problems: list[str], tmp_path: Path
) -> None:
    shown, _ = talked
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    page.goto(f"{shown.address}/runs/run/clips")
    (tmp_path / "film.mp4").write_text("no film at all " * 100)
    page.locator("input[type=file]").set_input_files(tmp_path / "film.mp4")
    expect(page.get_by_role("alert")).to_contain_text("cannot be read as a video", timeout=PATIENCE_MS)
    with (tmp_path / "large.mp4").open("wb") as large:
        large.truncate(500_000_001)
    page.locator("input[type=file]").set_input_files(tmp_path / "large.mp4")
    expect(page.get_by_role("alert")).to_contain_text("at most 500 MB are taken")
    assert [each for each in problems if "422" not in each] == []
    problems.clear()
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE[0]
