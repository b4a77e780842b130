"""The studio in a real browser: the kit itself, what other sites can do, and that it ends when it is told to."""

import signal
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from playwright.sync_api import Browser, Page

from tests.browser import REBOUND, StartStudio, StudioProcess, serving
from tests.fake_run import make_clips, run_fake

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browsed")
    run_fake(folder / "run", make_clips(folder / "clips"), target=1)
    return folder / "run"


@pytest.fixture(scope="module")
def shown(run: Path) -> Iterator[StudioProcess]:
    with serving(run) as started:
        yield started


def test_a_page_opens_with_nothing_that_a_browser_complains_of(shown: StudioProcess, page: Page) -> None:
    page.goto(shown.address)
    assert page.get_by_role("heading", level=1).count() == 1
    assert page.evaluate("typeof htmx") == "object"


def test_the_kit_sees_errors_and_requests_that_leave(shown: StudioProcess, page: Page, problems: list[str]) -> None:
    page.goto(f"{shown.address}/runs/run/samples/nobody")
    page.evaluate("console.error('said')")
    page.evaluate("new Image().src = 'http://127.0.0.2:1/x.png'; undefined")
    page.goto("about:blank")
    page.evaluate("fetch('http://127.0.0.2:1/').catch(() => 0)")
    said = "\n".join(problems)
    assert "404" in said
    assert "console: said" in said
    assert "Content Security Policy" in said
    assert "left the studio: http://127.0.0.2:1/" in said
    problems.clear()


class _Evil(BaseHTTPRequestHandler):
    """Another site on the same machine: it sends an order as a form, as a script, and frames the studio."""

    target = ""

    def do_GET(self) -> None:
        page = f"""<form method="post" action="{self.target}"><input name="csrf" value="guessed"></form>
        <iframe src="{self.target}"></iframe>
        <script>window.read = fetch("{self.target}").then(r => r.text(), () => "refused");
        window.sent = fetch("{self.target}", {{method: "POST", body: "x"}}).then(r => r.status, () => "refused");
        window.widely = fetch("{self.target}", {{method: "POST", mode: "no-cors"}}).then(r => r.type, () => "refused");
        </script>"""
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(page.encode())

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def evil(shown: StudioProcess) -> Iterator[str]:
    handler = type("_Evil", (_Evil,), {"target": f"{shown.address}/runs/run/campaign"})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_another_site_can_neither_read_nor_order_nor_frame(shown: StudioProcess, evil: str, browser: Browser) -> None:
    page = browser.new_context().new_page()
    page.goto(evil)
    assert page.evaluate("window.read") == "refused"
    assert page.evaluate("window.sent") == "refused"
    assert page.evaluate("window.widely") in ("opaque", "refused")
    framed = page.frames[1]
    framed.wait_for_load_state()
    assert framed.get_by_role("heading").count() == 0
    with page.expect_response(lambda answer: answer.request.method == "POST") as posted:
        page.evaluate("document.forms[0].submit()")
    assert posted.value.status == 403


def test_it_ends_at_once_while_a_browser_still_watches(studio: StartStudio, run: Path, browser: Browser) -> None:
    started = studio(run)
    page = browser.new_context().new_page()
    page.goto(started.address)
    page.evaluate("setInterval(() => fetch(location.href).catch(() => 0), 20)")
    page.wait_for_timeout(200)
    assert started.stop(signal.SIGINT) == 0  # or it would be waited for without end: the browser goes on asking


def test_a_foreign_name_that_leads_here_is_refused(shown: StudioProcess, browser: Browser) -> None:
    """DNS rebinding: another site's page whose name suddenly leads to this machine would read as it pleases."""
    page = browser.new_context().new_page()
    answer = page.goto(shown.address.replace("127.0.0.1", REBOUND))
    assert answer is not None
    assert answer.status == 421
    assert "csrf-token" not in page.content()
