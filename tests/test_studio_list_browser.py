"""The list of samples in a real browser: filter to a rejected sample, go back, and the same without a script."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import PHONE, StartStudio, watched
from tests.fake_run import fake_models, fake_profile, make_clips, run_fake

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, profile = tmp_path_factory.mktemp("found"), fake_profile("edits_per_clip=2")
    models = fake_models(profile, values=lambda one: {"temporal_steadiness": 0.9 if int(one.id[:6]) % 2 else 0.125})
    run_fake(folder / "run", make_clips(folder / "clips"), target=2, profile=profile, models=models)
    return folder / "run"


def test_a_person_filters_to_a_rejected_sample_and_goes_back(
    studio: StartStudio, run: Path, page: Page, browser: Browser, problems: list[str]
) -> None:
    address = f"{studio(run, '--read-only').address}/runs/run/samples"
    page.goto(address)
    cards = page.locator(".sample")
    before = cards.count()
    page.get_by_label("Reason").select_option("temporal_steadiness")
    expect(page).to_have_url(f"{address}?reason=temporal_steadiness")
    expect(cards.filter(has_text="rejected")).to_have_count(cards.count())
    assert 0 < cards.count() < before
    cards.first.locator("img").first.scroll_into_view_if_needed()
    expect(cards.first.locator("img").first).to_have_js_property("naturalWidth", 320)
    page.get_by_role("searchbox").press_sequentially("zzz")
    expect(page.get_by_text("No sample of this run is like this")).to_be_visible()
    page.go_back()
    page.go_back()
    expect(cards).to_have_count(before)
    unscripted = browser.new_context(java_script_enabled=False, viewport={"width": PHONE[0], "height": PHONE[1]})
    plain = watched(unscripted, problems)
    plain.goto(address)
    plain.get_by_label("Reason").select_option("temporal_steadiness")
    plain.get_by_role("button", name="Show").click()
    assert "reason=temporal_steadiness" in plain.url
    assert 0 < plain.locator(".sample").count() < before
    plain.locator(".sample a").first.click()
    assert "reason=temporal_steadiness" in plain.url
