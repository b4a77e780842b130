"""The page of one sample, asked without a browser: what it says, what it hides, and the orders that it takes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from agent.campaign import Limits
from agent.orders import OrderError, check_override
from agent.state import apply
from agent.studio.carrying_out import CarryingOut
from memory.artifacts import ArtifactStore
from memory.ledger import Ledger
from memory.owner import Owner
from memory.sample import Event, Sample
from tests.fake_run import fake_models, fake_profile, make_clips, run_fake
from tests.hostile_sample import add_hostile_sample
from tests.studio_client import studio_client
from tests.told_talks import Told


def unsteady(sample: Sample) -> dict[str, float | None]:
    return {"temporal_steadiness": 0.2} if sample.id.startswith("000002") else {}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its first sample is accepted, its second one rejected after repairs, its last one hostile."""
    folder = tmp_path_factory.mktemp("samples")
    profile = fake_profile()
    models = fake_models(profile, values=unsteady)
    _, decided = run_fake(folder / "run", make_clips(folder / "clips"), target=2, profile=profile, models=models)
    add_hostile_sample(folder / "run", next(sample for sample in decided if sample.decision == "accepted"))
    return folder / "run"


@pytest.fixture(scope="module")
def ids(run: Path) -> dict[str, str]:
    ledger = Ledger(run / "ledger.sqlite")
    found = {row.sample.id: str(row.sample.decision) for row in ledger.rows()}
    ledger.close()
    return {decision: sample for sample, decision in found.items() if sample != "hostile-0001"} | {
        "hostile": "hostile-0001"
    }


@pytest.fixture(scope="module")
def client(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with studio_client(run, scratch=tmp_path_factory.mktemp("scratch")) as asking:
        yield asking


def text_of(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_a_rejected_sample_says_why_and_links_its_repairs_to_what_caused_them(
    client: TestClient, ids: dict[str, str]
) -> None:
    page = client.get(f"/runs/run/samples/{ids['rejected']}").text
    said = text_of(page)
    assert "the edit flickers or pulses (temporal steadiness: 0.20, needs 0.50)" in said
    assert "by rule threshold : an axis that counts fell short of its threshold" in said
    retry = re.search(r'id="step-(\d+)" class="step retry"', page)
    assert retry
    assert f'href="#step-{retry[1]}"' in page
    assert f"led to the diagnosis of step {retry[1]}" in said
    assert f"done again for the diagnosis of step {retry[1]} (temporal steadiness)" in said
    assert "No model judged this sample" in said


def test_neighbours_are_those_of_the_list_that_the_person_is_in(client: TestClient, ids: dict[str, str]) -> None:
    every = client.get(f"/runs/run/samples/{ids['accepted']}?sort=oldest").text
    assert f'rel="prev" href="/runs/run/samples/{ids["rejected"]}?sort=oldest"' in every
    some = client.get(f"/runs/run/samples/{ids['accepted']}?decision=accepted&sort=oldest&unknown=%3Cb%3E").text
    assert 'rel="prev" href="/runs/run/samples/000001' in some
    assert 'rel="next"' not in some
    assert 'href="/runs/run/samples?decision=accepted&amp;sort=oldest"' in some


def test_everything_from_models_files_and_people_shows_as_text(client: TestClient, ids: dict[str, str]) -> None:
    page = client.get(f"/runs/run/samples/{ids['hostile']}").text
    name = re.search(r"calls/(\d+\.1)", page)
    assert name
    call = client.get(f"/runs/run/samples/{ids['hostile']}/calls/{name[1]}").text
    for shown, times in ((page, 20), (call, 5)):
        assert shown.count("&lt;script&gt;window.hacked") >= times
        assert "<script>window" not in shown
        assert "<img src=x" not in shown
        assert "\x1b" not in shown
        assert "{{7*7}}" in shown
        assert not re.search(r"<[a-z][^>]*\s(?:on\w+|style)=", shown)


def test_a_call_shows_its_exact_messages_and_pictures(client: TestClient, run: Path, ids: dict[str, str]) -> None:
    address = f"/runs/run/samples/{ids['hostile']}"
    name = re.search(r"calls/(\d+\.1)", client.get(address).text)
    assert name
    page = client.get(f"{address}/calls/{name[1]}").text
    pictures = re.findall(r'<img src="/runs/run/media/([0-9a-f]{64}\.[a-z]+)"', page)
    assert len(pictures) == 3
    store = ArtifactStore(run / "artifacts")
    assert store.path(pictures[0]).read_bytes() == b"\x89PNG one"
    assert "temperature" in page
    assert client.get(f"{address}/calls/{name[1]}9").status_code == 404
    assert client.get(f"{address}/calls/..%2f1").status_code in (404, 422)
    store.path(pictures[1]).unlink()
    lost = client.get(f"{address}/calls/{name[1]}")
    assert lost.status_code == 200
    assert "The exact request cannot be shown: artifact" in text_of(lost.text)
    assert str(run) not in lost.text


@pytest.mark.parametrize(
    ("form", "status", "words"),
    [
        ({"override": "accept", "note": "  "}, 422, "say why in a few words"),
        ({"override": "delete", "note": "x"}, 422, "accept"),
        ({"note": "x"}, 422, "override"),
    ],
)
def test_an_order_that_says_too_little_is_refused_in_a_line(
    client: TestClient, ids: dict[str, str], form: dict[str, str], status: int, words: str
) -> None:
    answer = client.post(f"/runs/run/samples/{ids['rejected']}/override", data=form)
    assert answer.status_code == status
    assert words in text_of(answer.text)


def test_what_cannot_be_done_is_said_and_not_ordered(client: TestClient, run: Path, ids: dict[str, str]) -> None:
    address = f"/runs/run/samples/{ids['hostile']}"
    assert "has no judged edited video, so it cannot be accepted" in text_of(client.get(address).text)
    answer = client.post(f"{address}/override", data={"override": "accept", "note": "x"})
    assert answer.status_code == 409
    assert "cannot be accepted" in text_of(answer.text)
    assert client.post("/runs/run/samples/nobody/override", data={"override": "reject", "note": "x"}).status_code == 404
    ledger = Ledger(run / "ledger.sqlite")
    assert ledger.open_commands() == []
    ledger.close()


def test_an_order_is_left_for_the_owner_and_followed(client: TestClient, run: Path, ids: dict[str, str]) -> None:
    address = f"/runs/run/samples/{ids['accepted']}"
    with Owner(run):
        form = {"override": "reject", "note": " not \n for us ", "back": "?decision=accepted&sort=oldest"}
        answer = client.post(f"{address}/override", data=form, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, f"{address}?decision=accepted&sort=oldest")
        ledger = Ledger(run / "ledger.sqlite")
        [(number, order)] = ledger.open_commands()
        assert order == {"kind": "override", "sample": ids["accepted"], "override": "reject", "note": "not for us"}
        status = client.get(f"{address}/order/{number}").text
        assert re.search(r"Ordered; pid \d+ on .*, who owns the run now, carries it out", text_of(status))
        assert f'hx-get="{address}/order/{number}"' in client.get(address).text
    ledger.finish_command(number, "done")
    ledger.close()
    assert "data-carried-out" in client.get(f"{address}/order/{number}").text
    assert "/order/" not in client.get(address).text


def test_an_order_that_nobody_gave_starts_nothing(
    client: TestClient, ids: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[CarryingOut] = []
    monkeypatch.setattr(CarryingOut, "see_to", started.append)
    for number in ("1000000", "9" * 30, "0", "-1"):
        answer = client.get(f"/runs/run/samples/{ids['accepted']}/order/{number}")
        assert answer.status_code in (404, 422)
    assert client.get("/runs/run/samples/nobody/order/1").status_code == 404
    assert not started


def test_who_may_only_look_sees_no_orders_and_can_give_none(run: Path, ids: dict[str, str], tmp_path: Path) -> None:
    with studio_client(run, scratch=tmp_path, read_only=True) as asking:
        page = asking.get(f"/runs/run/samples/{ids['rejected']}").text
        assert "Accept…" not in page
        assert "reject, with a reason" not in page
        form = {"override": "accept", "note": "x"}
        assert asking.post(f"/runs/run/samples/{ids['rejected']}/override", data=form).status_code == 403


def test_pictures_that_were_given_up_are_said_to_be_and_the_contact_sheet_is_shown(tmp_path: Path) -> None:
    profile = fake_profile("retention.rejected=thinned")
    models = fake_models(profile, values=lambda sample: {"temporal_steadiness": 0.2})
    run = tmp_path / "run"
    clips, once = make_clips(tmp_path / "clips", count=1), Limits(target=1, max_candidates=1)
    _, [sample] = run_fake(run, clips, target=1, profile=profile, models=models, limits=once)
    with studio_client(run, scratch=tmp_path / "scratch") as asking:
        page = asking.get(f"/runs/run/samples/{sample.id}").text
        assert "The videos were given up" in page
        sheet = re.search(r'class="sheet" src="([^"]+)"', page)
        assert sheet
        assert asking.get(sheet[1]).status_code == 200
        assert "data-player" not in page
        assert asking.get(f"/runs/run/samples/{sample.id}/pair.mp4").status_code == 404
        assert "cannot be accepted: its files were thinned" in text_of(page)


def test_a_conversation_is_nobody_elses_to_give() -> None:
    talk = Sample(id="talk-1", seed=0, stage="done", decision="private", conversation=True)
    for override in ("accept", "reject"):
        with pytest.raises(OrderError, match="did not give it to the dataset"):
            check_override(talk, override)


def test_a_conversation_can_be_traced_too_and_only_what_was_given_can_be_overruled(
    client: TestClient, run: Path
) -> None:
    ledger = Ledger(run / "ledger.sqlite")
    talk = Told(run, ledger.next_number())
    ledger.close()
    talk.begins("<b>snow</b>")
    address = f"/runs/run/samples/{talk.sample.id}"
    waiting = client.get(address).text
    assert "Waits for a person." in waiting
    assert f'href="/runs/run/talks/{talk.sample.id}"' in waiting
    assert 'alt="preview of proposal 1"' in waiting
    assert "Accept…" not in waiting
    talk.makes(passed=False)
    talk.keeps()
    kept = text_of(client.get(address).text)
    assert "Accepted: its person keeps it, though things do not move as in the source" in kept
    assert "Why reject?" in kept


def test_a_sample_that_has_hardly_begun_has_a_page(client: TestClient, run: Path) -> None:
    import asyncio

    ledger = Ledger(run / "ledger.sqlite")
    event = Event(
        sample_id="fresh", stage="new", next_stage="new", tool="sample_clip", arguments={}, result={}, seconds=0,
        attempt=1, by="policy",
    )  # fmt: skip
    asyncio.run(ledger.append(event, apply(Sample(id="fresh", seed=0), event), ledger.next_number()))
    ledger.close()
    page = client.get("/runs/run/samples/fresh")
    assert page.status_code == 200
    assert "Under way: a clip is taken next." in page.text
    assert "Accept…" not in page.text
    assert client.get("/runs/run/samples/fresh/pair.mp4").status_code == 404
