"""Who may ask a studio for what: other names, other sites, forged orders, bodies too long, odd addresses, the token."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from agent.command import CommandError
from agent.studio import entrance, guard
from agent.studio.guard import Access
from agent.studio.serve import check_token, listen
from tests.fake_run import make_clips, run_fake
from tests.studio_client import ADDRESS, studio_client

TOKEN = "a-token-nobody-guesses"
CAMPAIGN = "/runs/run/campaign"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("guarded")
    run_fake(folder / "run", make_clips(folder / "clips"), target=1)
    return folder / "run"


@pytest.fixture(scope="module")
def client(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with studio_client(run, scratch=tmp_path_factory.mktemp("s"), raises=False) as asking:
        yield asking


@pytest.fixture
def outside(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """A studio that other machines can reach, asked by somebody who has not come in."""
    monkeypatch.setattr(entrance, "WRONG_SECONDS", 0.01)
    access = Access(any_host=True, token=TOKEN)
    with studio_client(run, scratch=tmp_path, access=access) as asking:
        asking.follow_redirects = False
        yield asking


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8700", "localhost.evil.example", "127.0.0.1.nip.io", ""]
)
def test_a_foreign_name_is_refused_and_told_no_secret(client: TestClient, host: str) -> None:
    answer = client.get(CAMPAIGN, headers={"Host": host})
    assert answer.status_code == 421
    assert "csrf" not in answer.text


@pytest.mark.parametrize("host", ["localhost:8700", "127.0.0.1", "[::1]:8700", "LOCALHOST:9000"])
def test_this_machines_own_names_are_taken(client: TestClient, host: str) -> None:
    assert client.get(CAMPAIGN, headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Origin": ADDRESS, "Sec-Fetch-Site": "cross-site"},
        {"Origin": ADDRESS, "X-CSRF-Token": "wrong"},
        {"Origin": ADDRESS, "X-CSRF-Token": "wröng"},
        {"Origin": ADDRESS, "X-CSRF-Token": ""},
    ],
)
def test_orders_of_others_are_refused(client: TestClient, headers: dict[str, str]) -> None:
    raw = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
    assert client.post(CAMPAIGN, headers=raw).status_code == 403


def test_an_order_needs_the_word_in_a_header_a_form_or_the_first_field_of_a_form_with_files(client: TestClient) -> None:
    word = {"csrf": client.headers["X-CSRF-Token"]}
    bare = {"X-CSRF-Token": ""}
    took = 405  # past the guard: the page is there to look at
    assert client.post(CAMPAIGN).status_code == took
    assert client.post(CAMPAIGN, headers=bare, data=word).status_code == took
    assert client.post(CAMPAIGN, headers=bare, data=word, files={"clip": b"x" * 1000}).status_code == took
    late = {"clip": (None, "words"), "csrf": (None, word["csrf"])}
    assert client.post(CAMPAIGN, headers=bare, files=late).status_code == 403
    assert client.post(CAMPAIGN, headers=bare, json=word).status_code == 403
    broken = {"Content-Type": "multipart/form-data; boundary=x"}
    assert client.post(CAMPAIGN, headers=bare | broken, content=b"no form").status_code == 422


def test_bodies_are_bounded_however_they_are_sent(client: TestClient) -> None:
    def in_pieces() -> Iterator[bytes]:
        yield from [b"csrf=" + b"x" * 9000] * 10

    form = {"Content-Type": "application/x-www-form-urlencoded", "X-CSRF-Token": ""}
    assert client.post(CAMPAIGN, content=b"x" * 70_000).status_code == 413
    assert client.post(CAMPAIGN, content=in_pieces(), headers=form).status_code == 413
    assert client.get(CAMPAIGN, headers={"Content-Length": "9" * 40}).status_code == 400


@pytest.mark.parametrize(
    "path",
    [
        "/static/%2e%2e/serve.py",
        "/static/..%2f..%2f..%2fpyproject.toml",
        "/static/vendor%00.js",
        "/runs/run/media/..%2f..%2fconfig.yaml",
        "/runs/run/media/%2e%2e%2f%2e%2e%2fledger.sqlite",
        "/runs/run/media/" + "a" * 5000,
        "/runs/run/media/%00",
        "/runs/%2e%2e/campaign",
        "/runs/run/samples/..%2f..%2f..%2fetc%2fpasswd",
        "/runs/run/samples/%00",
        "/runs/run/samples/" + "a" * 5000,
        "/runs/run/samples/%ff%fe",
        "//evil.example/",
    ],
    ids=range(13),
)
def test_odd_addresses_are_a_page_in_words(client: TestClient, path: str) -> None:
    answer = client.get(f"{ADDRESS}{path}")
    assert answer.status_code in (404, 422)
    if not path.startswith("/static"):
        assert "<h1>" in answer.text
    assert "config_hash" not in answer.text
    assert "Traceback" not in answer.text


def test_every_answer_says_what_a_browser_may_do_with_it(client: TestClient) -> None:
    for path in (CAMPAIGN, "/static/studio.css", "/nothing", "/runs/run/media/x"):
        headers = client.get(path).headers
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
    assert client.get(CAMPAIGN).headers["cache-control"] == "no-store"
    head = client.head(CAMPAIGN)
    assert (head.status_code, head.content) == (200, b"")
    options = client.options(CAMPAIGN, headers={"Origin": "http://evil.example"})
    assert (options.status_code, "access-control-allow-origin" in options.headers) == (204, False)
    assert client.put(CAMPAIGN).status_code == 405


def test_what_breaks_shows_no_trace(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with studio_client(run, scratch=tmp_path, raises=False) as asking:
        monkeypatch.setattr("memory.ledger.Ledger.counts", lambda self: 1 / 0)
        answer = asking.get(CAMPAIGN)
        assert (answer.status_code, "ZeroDivision" in answer.text) == (500, False)
        note = asking.get(CAMPAIGN, headers={"HX-Request": "true"})
        assert (note.headers["hx-retarget"], "<html" in note.text) == ("#notes", False)


def test_a_studio_to_read_takes_no_order_at_any_address(run: Path, tmp_path: Path) -> None:
    pages = Path(guard.__file__).parent.glob("*.py")
    posts = [path for page in pages for path in re.findall(r"router\.post\(\s*\"([^\"]+)", page.read_text())]
    assert len(posts) > 4
    with studio_client(run, scratch=tmp_path, read_only=True) as asking:
        for path in posts:
            answer = asking.post(re.sub(r"{\w+}", "run", path))
            assert (answer.status_code, "--read-only" in answer.text) == (403, True), path


def test_a_run_whose_folder_is_gone_is_said(run: Path, tmp_path: Path) -> None:
    with studio_client(run, scratch=tmp_path) as asking:
        run.rename(run.with_name("elsewhere"))
        try:
            answer = asking.get(CAMPAIGN)
        finally:
            run.with_name("elsewhere").rename(run)
        assert (answer.status_code, "is gone" in answer.text) == (410, True)
        assert asking.get(CAMPAIGN).status_code == 200


def test_a_stranger_sees_only_the_door(outside: TestClient) -> None:
    for path in ("/", CAMPAIGN, "/runs/run/media/x", "/nothing"):
        page = outside.get(path)
        assert (page.status_code, 'name="token"' in page.text, "csrf-token" in page.text) == (401, True, False)
    assert outside.post(CAMPAIGN).status_code == 401
    assert outside.get("/static/studio.css").status_code == 200


def test_the_token_is_said_once_and_becomes_a_cookie_that_is_not_it(outside: TestClient) -> None:
    first = outside.get(f"{CAMPAIGN}?page=2&token={TOKEN}")
    assert (first.status_code, first.headers["location"]) == (303, f"{CAMPAIGN}?page=2")
    cookie = first.headers["set-cookie"]
    assert TOKEN not in cookie
    assert all(word in cookie.lower() for word in ("httponly", "samesite=strict"))
    assert outside.get(CAMPAIGN, headers={"Host": "studio.example"}).status_code == 200
    outside.cookies.clear()
    assert outside.post("/enter", data={"token": TOKEN}).status_code == 303
    assert outside.get(CAMPAIGN).status_code == 200


@pytest.mark.parametrize("path", ["//evil.example/", "/%5Cevil.example", "/%2Fevil.example"])
def test_coming_in_never_leads_to_another_site(outside: TestClient, path: str) -> None:
    location = outside.get(f"{ADDRESS}{path}?token={TOKEN}").headers["location"]
    assert location[0] == "/"
    assert location[1] not in "/\\"


def test_a_wrong_token_and_a_forged_cookie_stay_outside(outside: TestClient) -> None:
    assert outside.post("/enter", data={"token": "wrong"}).status_code == 401
    assert outside.get(f"{CAMPAIGN}?token=").status_code == 401
    for forged in ("1.abc", TOKEN, "9999999999.", "²³.x"):
        sent = {b"Cookie": f"ditto_studio_8700={forged}".encode()}
        assert outside.get(CAMPAIGN, headers=sent).status_code == 401
    assert outside.post("/enter", data={"token": TOKEN}, headers={"Origin": "http://evil.example"}).status_code == 403


@pytest.mark.parametrize(("host", "token"), [("0.0.0.0", ""), ("192.168.0.7", ""), ("0.0.0.0", "short")])
def test_nobody_is_let_in_without_a_good_token(host: str, token: str) -> None:
    with pytest.raises(CommandError, match=r"openssl rand -hex 16"):
        check_token(host, token)


def test_a_port_that_is_taken_is_one_line() -> None:
    with listen("127.0.0.1", 0) as first, pytest.raises(CommandError, match="another --port"):
        listen("127.0.0.1", first.getsockname()[1])
    with pytest.raises(CommandError, match="0 \\(any free one\\) to 65535"):
        listen("127.0.0.1", 70_000)
    with pytest.raises(CommandError, match="no address of this machine"):
        listen("no such name", 0)
