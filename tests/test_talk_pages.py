"""The studio's pages of conversations, asked without a browser; the run is owned, so nobody starts to work on it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from pydantic import JsonValue

from agent.conversation.moves import Move
from ditto_models import video
from memory.ledger import Ledger
from memory.owner import Owner
from memory.sample import AxisVerdict, Verdict
from tests.fake_run import make_clips, run_fake
from tests.scenes import scene
from tests.studio_client import studio_client
from tests.talks_by_hand import HandTalk

SCRIPT = "<script>alert('x')</script>"
TALKS = "/runs/run/talks"
UNSAFE = Verdict(
    decision="rejected",
    reasons=["safety"],
    rule="gate",
    scores={"safety": AxisVerdict(value=0.1, threshold=0.4, passed=False, reason=SCRIPT)},
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("talks")
    run_fake(folder / "run", make_clips(folder / "clips"), target=1)
    return folder / "run"


@pytest.fixture(scope="module")
def ledger(made: Path) -> Iterator[Ledger]:
    ledger = Ledger(made / "ledger.sqlite")
    yield ledger
    ledger.close()


@pytest.fixture(scope="module")
def client(made: Path, ledger: Ledger, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with Owner(made), studio_client(made, scratch=tmp_path_factory.mktemp("scratch")) as asking:
        yield asking


@pytest.fixture(scope="module")
def looking(made: Path, ledger: Ledger, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with studio_client(made, scratch=tmp_path_factory.mktemp("looking"), read_only=True) as asking:
        yield asking


def offered(ledger: Ledger, name: int, *texts: str, words: str = "Make it snow") -> HandTalk:
    talk = HandTalk.begun(ledger, name, words)
    talk.look()
    talk.propose(*texts or ("Make it snow lightly",), words=f"I can do this {SCRIPT}", note=f"not the car {SCRIPT}")
    talk.preview()
    return talk


def orders(ledger: Ledger, talk: HandTalk) -> list[dict[str, JsonValue]]:
    open_ones = [payload for _, payload in ledger.open_commands() if payload["sample"] == talk.sample.id]
    return [move for payload in open_ones if isinstance(move := payload["move"], dict)]


def test_words_of_everybody_are_shown_as_text(client: TestClient, ledger: Ledger) -> None:
    talk = offered(ledger, 1, f"Make it snow {SCRIPT}", words=f"winter {SCRIPT}")
    page = client.get(f"{TALKS}/{talk.sample.id}").text
    assert "<script>alert" not in page
    assert page.count("&lt;script&gt;alert") >= 4
    assert "<script>alert" not in client.get(TALKS).text


def test_the_list_shows_the_newest_first_a_page_at_a_time(client: TestClient, ledger: Ledger) -> None:
    for name in range(100, 126):
        HandTalk.begun(ledger, name, f"wish {name}")
    first, second = client.get(TALKS).text, client.get(f"{TALKS}?page=1").text
    assert first.index("wish 125") < first.index("wish 124")
    assert ("wish 100" in first, "wish 100" in second, "Older" in first) == (False, True, True)


def test_a_press_of_a_button_and_words_become_orders(client: TestClient, ledger: Ledger) -> None:
    talk = offered(ledger, 2, "Make it snow", "Make it rain")
    address = f"{TALKS}/{talk.sample.id}"
    assert client.post(address, data={"call": "choose", "number": "2"}, follow_redirects=False).status_code == 303
    answer = client.post(address, data={"words": "less of it"}, headers={"HX-Request": "true"})
    assert answer.headers["X-Talk"] == "taken"
    assert "less of it" in answer.text
    assert "On its way to the agent" in answer.text
    chosen, said = orders(ledger, talk)
    assert (chosen["call"], chosen["number"]) == ("choose", 2)
    assert (said["call"], said["words"]) == ("say", "less of it")


def test_a_choice_is_answered_with_what_can_be_made_of_it(client: TestClient, ledger: Ledger) -> None:
    talk = offered(ledger, 4, "Make it snow", "Make it rain", words="A first wish")
    address = f"{TALKS}/{talk.sample.id}"
    assert "is chosen" not in client.get(address).text
    talk.move(Move(call="choose", number=2, words="the other one"))
    assert "Number 2 is chosen: a video of it?" in client.get(address).text
    talk.move(Move(call="say", words="less of it"))
    assert "is chosen" not in client.get(address).text
    listed = client.get(TALKS).text
    assert re.search(rf'{talk.sample.id}">A first wish<', listed), "a talk goes by its first wish, not by its last"


def test_a_move_that_cannot_be_made_is_told_at_the_box(client: TestClient, ledger: Ledger) -> None:
    talk = offered(ledger, 3)
    address = f"{TALKS}/{talk.sample.id}"
    answer = client.post(address, data={"call": "approve", "number": "7"}, headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["X-Talk"]) == (200, "refused")
    assert re.search(r'id="refused" role="alert">there is no proposal 7; on offer: 1<', answer.text)
    assert client.post(address, data={"call": "keep"}).status_code == 409
    assert (
        client.post(address, data={"words": "x" * 601}, headers={"HX-Request": "true"}).headers["X-Talk"] == "refused"
    )
    assert orders(ledger, talk) == []


def test_what_nobody_can_waive_has_no_button(client: TestClient, ledger: Ledger) -> None:
    talk = HandTalk.begun(ledger, 4, "blood")
    talk.look()
    talk.propose("Make it red", "Make it warm")
    talk.preview(UNSAFE)
    page = client.get(f"{TALKS}/{talk.sample.id}").text
    assert page.count("Make this video") == 2  # one button, and its name for those who do not see it
    assert "It fails safety, which nobody can waive" in page
    talk.move(Move(call="approve", number=2))
    talk.make(UNSAFE)
    page = client.get(f"{TALKS}/{talk.sample.id}").text
    assert "Keep: give it to the dataset" not in page
    assert "Close without giving it" in page


def test_a_page_that_shows_all_there_is_gets_no_answer_until_something_happens(
    client: TestClient, ledger: Ledger
) -> None:
    talk = offered(ledger, 5)
    address = f"{TALKS}/{talk.sample.id}"
    seen = re.findall(r"live\?seen=([0-9a-f-]+)", client.get(address).text)[0]
    assert client.get(f"{address}/live?seen={seen}").status_code == 204
    talk.move(Move(call="approve", number=1))
    changed = client.get(f"{address}/live?seen={seen}")
    assert (changed.status_code, "Making the video" in changed.text, "every 1s" in changed.text) == (200, True, True)
    talk.make()
    talk.move(Move(call="keep"))
    talk.accept()
    ended = client.get(f"{address}/live?seen={seen}").text
    assert "This pair is in the dataset" in ended
    assert "hx-trigger" not in ended


def test_who_only_looks_on_can_order_nothing(looking: TestClient, ledger: Ledger) -> None:
    talk = offered(ledger, 6)
    for address in (TALKS, f"{TALKS}/{talk.sample.id}", "/runs/run/clips", "/runs/run/clips/1"):
        page = looking.get(address)
        assert page.status_code == 200
        assert 'type="submit"' not in page.text
        assert 'type="file"' not in page.text
    for address in (f"{TALKS}/{talk.sample.id}", "/runs/run/clips/1", "/runs/run/uploads"):
        assert looking.post(address, data={"words": "snow", "frame": "0"}).status_code == 403
    assert orders(ledger, talk) == []
    talk.move(Move(call="approve", number=1))
    assert "Making the video" in looking.get(f"{TALKS}/{talk.sample.id}").text


def test_what_a_conversation_was_can_be_taken_away(client: TestClient, ledger: Ledger) -> None:
    talk = offered(ledger, 7)
    given = client.get(f"{TALKS}/{talk.sample.id}/refinement.json")
    assert given.headers["Content-Disposition"] == f'attachment; filename="{talk.sample.id}.json"'
    assert [turn["by"] for turn in given.json()["turns"]] == ["person", "agent"]
    assert given.json()["turns"][0]["words"] == "Make it snow"


def test_a_conversation_begins_with_a_clip_and_a_frame(client: TestClient, ledger: Ledger) -> None:
    begun = client.post("/runs/run/clips/1", data={"words": "snow", "frame": "3"}, follow_redirects=False)
    assert begun.status_code == 303
    (order,) = [
        payload for _, payload in ledger.open_commands() if payload["sample"] == Path(begun.headers["Location"]).name
    ]
    assert order["move"] == {
        "call": "begin", "words": "snow", "number": 0, "frame_index": 3,
        "given": {"clip_number": 1, "upload": "", "start_seconds": 0.0},
    }  # fmt: skip
    page = client.get(begun.headers["Location"]).text
    assert "On its way to the agent" in page
    refused = client.post("/runs/run/clips/1", data={"words": "x" * 601, "frame": "3"})
    assert (refused.status_code, "x" * 601 in refused.text) == (409, True)
    assert client.post("/runs/run/clips/99", data={"words": "snow", "frame": "3"}).status_code == 404


@pytest.mark.parametrize(
    "address",
    [
        f"{TALKS}/talk-0000000000ff",
        f"{TALKS}/..%2f..%2fconfig.yaml",
        "/runs/run/uploads/..%2f..%2fconfig.yaml",
        f"/runs/run/uploads/{'0' * 64}.mp4",
        f"/runs/run/uploads/{'0' * 64}.mp4/frames/0.jpg",
        "/runs/run/clips/99/small.jpg",
        "/runs/run/clips/99",
    ],
)
def test_what_is_not_there_is_said(client: TestClient, address: str) -> None:
    assert client.get(address).status_code in (404, 422)


@pytest.mark.slow
def test_frames_of_a_clip_are_pictures(client: TestClient, ledger: Ledger) -> None:
    talk = offered(ledger, 8)
    for address in (
        "/runs/run/clips/1/small.jpg",
        "/runs/run/clips/1/frames/8.jpg",
        f"{TALKS}/{talk.sample.id}/frames/0.jpg",
    ):
        answer = client.get(address)
        assert (answer.status_code, answer.headers["Content-Type"], answer.content[:2]) == (
            200,
            "image/jpeg",
            b"\xff\xd8",
        )
    assert client.get("/runs/run/clips/1/frames/9.jpg").status_code == 404


@pytest.mark.slow
def test_a_video_of_ones_own_is_taken_and_fakes_are_refused_in_a_line(
    client: TestClient, made: Path, ledger: Ledger, tmp_path: Path
) -> None:
    video.write(tmp_path / "mine.mp4", scene(24, 1, 96, 128), 24.0)
    address = "/runs/run/uploads"
    taken = client.post(address, content=(tmp_path / "mine.mp4").read_bytes())
    assert (taken.status_code, taken.text) == (201, "")
    name = Path(taken.headers["Location"]).name
    assert (made / "uploads" / name).is_file()
    assert "1.0 s kept, 128 × 96" in client.get(taken.headers["Location"]).text
    assert client.get(f"{taken.headers['Location']}/frames/23.jpg").headers["Content-Type"] == "image/jpeg"
    begun = client.post(taken.headers["Location"], data={"frame": "23"}, follow_redirects=False)
    (order,) = [
        payload for _, payload in ledger.open_commands() if payload["sample"] == Path(begun.headers["Location"]).name
    ]
    assert isinstance(order["move"], dict)
    assert order["move"]["given"] == {"clip_number": None, "upload": name, "start_seconds": 23 / 24}
    fake = client.post(address, content=b"no film at all" * 100)
    assert (fake.status_code, fake.text.count("\n")) == (422, 0)
    assert "cannot be read as a video" in fake.text
    large = client.post(address, content=b"x", headers={"Content-Length": "600000000"})
    assert (large.status_code, "600 MB, at most 500 MB" in large.text) == (413, True)
    assert [path.name for path in (made / "uploads").iterdir()] == [name]
