"""Every page of the studio for everybody: named to a screen reader, walked by Tab, nothing cut off on a phone."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page

from tests.browser import DESKTOP, PHONE, StudioProcess, serving, watched

pytestmark = pytest.mark.slow

MOST_PAGES = 40
MOST_STOPS = 400
NAMELESS = re.compile(
    r"^\s*- (button|link|textbox|combobox|checkbox|radio|slider|searchbox|spinbutton|img|tab)\b(?! \")"
)
WRONG = """() => {
  const wrong = [];
  const say = (what, element) => wrong.push(what + ": " + element.outerHTML.slice(0, 160));
  if (!document.documentElement.lang) wrong.push("no language");
  if (!document.title.trim()) wrong.push("no title");
  for (const one of ["h1", "main"]) {
    const count = document.querySelectorAll(one).length;
    if (count !== 1) wrong.push(`${count} of ${one}, expected one`);
  }
  for (const image of document.querySelectorAll("img:not([alt])")) say("no alt", image);
  for (const element of document.querySelectorAll("[tabindex]")) if (element.tabIndex > 0) say("tabindex", element);
  for (const form of document.querySelectorAll("form[method=post]")) if (!form.elements.csrf) say("no csrf", form);
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) wrong.push("id twice: " + id);
  let level = 0;
  for (const heading of document.querySelectorAll("h1, h2, h3, h4")) {
    if (+heading.tagName[1] > level + 1) say("heading skips a level", heading);
    level = +heading.tagName[1];
  }
  return wrong;
}"""
WIDE = """() => [...document.querySelectorAll("body *")].filter((element) => {
  const box = element.getBoundingClientRect();
  return box.width && box.right > innerWidth + 1 && getComputedStyle(element).position !== "absolute"
    && !element.closest(".scrolls, pre, .unseen, svg");
}).slice(0, 3).map((element) => element.outerHTML.slice(0, 160))"""
SMALL = """() => [...document.querySelectorAll("button, select, .button, .top a, summary, input:not([type=hidden])")]
  .filter((element) => {
    const box = (element.closest("label") ?? element).getBoundingClientRect();
    return box.width && (element.offsetWidth > 1) && box.height < 43.5;
  }).map((element) => `${element.offsetHeight} px high: ${element.outerHTML.slice(0, 120)}`)"""
LISTEN = """() => {
  Object.assign(window, { left: false, stops: [] });
  addEventListener("focusin", (event) => window.left || window.stops.push(event.target.outerHTML.slice(0, 200)));
  addEventListener("focusout", (event) => { if (!event.relatedTarget) window.left = true; });
}"""


@pytest.fixture(scope="module")
def shown(shown_runs: tuple[Path, Path]) -> Iterator[StudioProcess]:
    with serving(*shown_runs) as started:
        yield started


def kind_of(address: str) -> str:
    """An address with its ids and its query left out: one page of each kind is looked at."""
    return re.sub(r"/runs/\w+", "/runs/RUN", re.sub(r"/(?=[^/]*\d)[^/]+", "/ID", urlsplit(address).path))


def pages_of(page: Page, start: str) -> Iterator[str]:
    """Opens one page of every kind that is reached by links."""
    waiting, kinds = [start], {kind_of(start), "/"}
    for _ in range(MOST_PAGES):
        if not waiting:
            return
        address = waiting.pop(0)
        page.goto(address)
        kinds.add(kind_of(page.url))  # the first leads on to another
        yield address
        for link in page.evaluate(
            "() => [...document.querySelectorAll('main a[href]:not([download]), header a[href]')].map((a) => a.href)"
        ):
            own = link.startswith(start) and "/media/" not in link and "#" not in link
            if own and kind_of(link) not in kinds:
                kinds.add(kind_of(link))
                waiting.append(link)


def test_every_page_is_named_to_who_does_not_see_it_and_walked_by_tab(shown: StudioProcess, page: Page) -> None:
    seen = []
    for address in pages_of(page, shown.address):
        seen.append(address)
        assert page.evaluate(WRONG) == [], address
        assert page.title() != "taken"
        told = page.locator("body").aria_snapshot()
        assert [line for line in told.splitlines() if NAMELESS.match(line)] == [], address
        stops = walked(page)
        assert stops, f"Tab never leaves {address}"
        assert "Skip to content" in stops[0], address
        assert sum("Theme" in stop for stop in stops) == 1, address
    assert len(seen) > 4


def walked(page: Page) -> list[str]:
    """What Tab comes to until it leaves the page; an empty list where it never does."""
    page.evaluate(LISTEN)
    for _ in range(MOST_STOPS // 20):
        for _ in range(20):
            page.keyboard.press("Tab")
        if page.evaluate("() => window.left"):
            stops: list[str] = page.evaluate("() => window.stops")
            return stops
    return []


def test_nothing_is_cut_off_or_too_small_for_a_finger_on_a_phone(shown: StudioProcess, browser: Browser) -> None:
    problems: list[str] = []
    page = watched(browser.new_context(viewport={"width": PHONE[0], "height": PHONE[1]}, has_touch=True), problems)
    for address in pages_of(page, shown.address):
        assert page.evaluate(WIDE) == [], address
        assert page.evaluate(SMALL) == [], address
    assert problems == []


def test_the_theme_follows_the_system_until_somebody_chooses(shown: StudioProcess, browser: Browser) -> None:
    context = browser.new_context(color_scheme="dark", viewport={"width": DESKTOP[0], "height": DESKTOP[1]})
    page = watched(context, [])
    page.goto(shown.address)
    paper = "() => getComputedStyle(document.body).backgroundColor"
    token = "() => getComputedStyle(document.body).getPropertyValue('--paper')"
    dark = page.evaluate(paper)
    assert page.evaluate(token) == dark
    page.get_by_role("button", name="Theme: system").click()
    light = page.evaluate(paper)
    assert light != dark
    page.reload()
    assert page.evaluate(paper) == light
