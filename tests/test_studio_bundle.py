"""A static copy of the studio: built from a run on fakes, served from below a path, opened in a real browser."""

import functools
from collections.abc import Iterator
from contextlib import redirect_stderr
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from threading import Thread

import pytest
from playwright.sync_api import Page, expect

from agent.studio.__main__ import main
from agent.studio.bundle import MARK
from agent.studio.bundle_places import Places, place_of
from agent.studio.said_paths import SaidPaths
from tests.shown_runs import ATTACK, SECRET

REFERENCE = "ab" * 32 + ".mp4"


@pytest.fixture(scope="module")
def built(shown_runs: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SITE/below/copy, of two runs."""
    copy = tmp_path_factory.mktemp("bundled") / "site" / "below" / "copy"
    with redirect_stderr(StringIO()) as said:
        assert main([*map(str, shown_runs), "--bundle", str(copy)]) == 0
    assert "warning" not in said.getvalue()
    return copy


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def served(built: Path) -> Iterator[str]:
    handler = functools.partial(_Quiet, directory=built.parent.parent)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/below/copy/"
        server.shutdown()


def links(page: Page) -> list[str]:
    found: list[str] = page.evaluate("() => [...document.querySelectorAll('a[href]')].map((a) => a.href.split('#')[0])")
    return found


@pytest.mark.slow
def test_every_page_opens_from_below_any_path(built: Path, served: str, page: Page) -> None:
    waiting, seen = [served], set[str]()
    while waiting:
        address = waiting.pop()
        if address in seen or not address.startswith(served) or address.endswith((".json", ".mp4", ".png")):
            continue
        seen.add(address)
        page.goto(address)
        assert page.get_by_role("heading", level=1).count() == 1
        assert page.locator("form[method=post], [hx-get], [hx-post]").count() == 0, address
        waiting += links(page)
    pages = {path.relative_to(built).as_posix() for path in built.rglob("*.html")}
    opened = {address.removeprefix(served) or "index.html" for address in seen}
    assert {name for name in pages - opened if "samples/" in name} == set()
    assert f"{served}not-in-this-copy.html" not in seen


@pytest.mark.slow
@pytest.mark.parametrize("opened", ["served", "by hand"])
def test_the_player_plays_and_the_list_is_searched(
    opened: str, built: Path, served: str, page: Page, problems: list[str]
) -> None:
    start = served if opened == "served" else f"{built.as_uri()}/"
    page.goto(f"{start}runs/one/samples.html")
    page.get_by_label("Search this copy").fill("rejected")
    expect(page.locator("#count")).to_have_text("1 of 3 samples")
    page.locator("#hits a").click()
    page.wait_for_url("**/samples/000002*.html")
    video = page.locator("video")
    video.evaluate("(video) => video.play()")
    page.wait_for_function("() => document.querySelector('video').currentTime > 0.1")
    assert problems == []


def test_nothing_of_this_machine_is_said(built: Path, shown_runs: tuple[Path, Path]) -> None:
    folder = str(shown_runs[0].parent)
    pages = [path for path in built.rglob("*") if path.suffix in (".html", ".json") or path.name == "list.js"]
    assert len(pages) > 8
    for path in pages:
        assert folder not in path.read_text(), path
        assert SECRET not in path.read_text(), path
    assert any("clip0.mp4" in path.read_text() for path in pages)


def test_conversations_are_shown_where_their_person_gave_them(built: Path) -> None:
    assert [path.name for path in built.glob("runs/*/talks/*.html")] == ["talk-000000000001.html"]
    page = (built / "runs" / "one" / "talks" / "talk-000000000001.html").read_text()
    assert "Make it snow a little." in page
    assert ATTACK not in page


def test_only_an_earlier_copy_is_replaced(
    built: Path, shown_runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run = shown_runs[1]
    other = built.parent / "other"
    other.mkdir()
    (other / "mine.txt").write_text("kept")
    assert main([str(run), "--bundle", str(other)]) == 2
    assert "holds something else" in capsys.readouterr().err
    (other / MARK).write_text("{}")
    assert main([str(run), "--bundle", str(other)]) == 0
    assert (other / "runs" / "two" / "samples.html").is_file()
    assert not (other / "mine.txt").exists()
    assert sorted(path.name for path in built.parent.iterdir()) == ["copy", "other"]


def test_addresses_become_files_and_what_orders_leads_nowhere() -> None:
    places = Places(runs=["a"], here=place_of("/runs/a/samples/1"))
    assert places.link("/runs/a/samples?page=2&sort=oldest") == "../samples-page-2.html#sort=oldest"
    assert places.link(f"/runs/a/samples/1/pair.mp4?edited={REFERENCE}") == f"1/pair-edited-{'ab' * 32}-mp4.mp4"
    assert places.link("/runs/a/samples/2?page=3") == "2.html"
    assert places.link("/") == "../../../index.html"
    for order in ("/runs/a/samples/1/override", "/runs/b/campaign", "/runs/a/uploads", "/runs/a/../../etc/passwd"):
        assert places.link(order) == "../../../not-in-this-copy.html"
    assert len(places.wanted) == 3


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("from /data/films/a.mp4, 2 s", "from a.mp4, 2 s"),
        ("<code>/data/films/a.mp4</code>", "<code>a.mp4</code>"),
        ("&#39;/data/films/a.mp4&#39;", "&#39;a.mp4&#39;"),
        ("1/2/3 and/or https://host/a/b.html", "1/2/3 and/or https://host/a/b.html"),
        ('<a href="../../a/b.html">x</a></p></div>', '<a href="../../a/b.html">x</a></p></div>'),
    ],
    ids=range(5),
)
def test_folders_of_paths_are_left_out(said: str, left: str) -> None:
    assert SaidPaths({}).shortened(said) == left
