"""The list of samples in the studio: filters in the address, pages, small pictures, and words that are only words."""

import asyncio
import html
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from agent.studio.list_page import PAGE
from agent.studio.list_query import asked, query_of
from agent.studio.thumbnails import WIDTH
from memory.ledger import Ledger
from memory.listing import Filter
from memory.sample import Instruction, Sample
from tests.fake_run import fake_models, fake_profile, make_clips, run_fake
from tests.studio_client import studio_client
from tests.test_memory import event
from tools.media import image_of

ORDER = "<script>alert(1)</script>"
PAGES = 2


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Accepted and rejected samples, then so many under way that the list has two pages."""
    folder, profile = tmp_path_factory.mktemp("listed"), fake_profile("edits_per_clip=2")
    models = fake_models(profile, values=lambda one: {"temporal_steadiness": 0.9 if int(one.id[:6]) % 2 else 0.125})
    run_fake(folder / "run", make_clips(folder / "clips"), target=2, profile=profile, models=models)
    with closing(Ledger(folder / "run" / "ledger.sqlite")) as ledger:
        asyncio.run(_more(ledger))
    return folder / "run"


async def _more(ledger: Ledger) -> None:
    first = ledger.next_number()
    for number in range(first, first + PAGE):
        text = Instruction(text=f"{ORDER} edit {number}", edit_type="weather", scope="local")
        talk = number % 10 == 0
        await ledger.append(
            event(f"s{number}"), Sample(id=f"s{number}", seed=1, instruction=text, conversation=talk), number
        )


@pytest.fixture(scope="module")
def client(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with studio_client(run, scratch=tmp_path_factory.mktemp("s"), read_only=True) as asking:
        yield asking


def shown(client: TestClient, query: str = "") -> list[str]:
    """Ids on the page, in order."""
    answer = client.get(f"/runs/run/samples{query}")
    assert answer.status_code == 200
    return [html.unescape(found) for found in re.findall(r'href="/runs/run/samples/([^"?]+)[^"]*">', answer.text)]


def test_pages_follow_on_each_other_and_hold_every_sample_once(client: TestClient, run: Path) -> None:
    with closing(Ledger(run / "ledger.sqlite", read_only=True)) as ledger:
        every = [row.sample.id for row in ledger.rows()]
    pages = [shown(client), shown(client, "?page=2")]
    assert len(pages[0]) == PAGE
    assert pages[0] + pages[1] == every[::-1]
    assert shown(client, "?sort=oldest")[:3] == every[:3]
    first = client.get("/runs/run/samples").text
    assert f"1 to {PAGE} of {len(every)}" in first
    assert 'href="/runs/run/samples?page=2">Next</a>' in first
    assert "Previous" not in first
    past = client.get("/runs/run/samples?page=99").text
    assert f"only {len(every)} samples of this kind" in past


def test_a_rejected_sample_is_found_and_says_which_axis_failed(client: TestClient, run: Path) -> None:
    query = "?decision=rejected&reason=temporal_steadiness&axis=temporal_steadiness&least=0.1&most=0.2"
    with closing(Ledger(run / "ledger.sqlite", read_only=True)) as ledger:
        rejected = [row.sample.id for row in ledger.rows("decision = 'rejected'")]
        accepted = [row.sample.id for row in ledger.rows("decision = 'accepted'")]
    assert rejected
    assert shown(client, query) == rejected[::-1]
    page = client.get(f"/runs/run/samples{query}").text
    assert "temporal steadiness: 0.12, needs 0.50" in page
    # Going on from one sample to the next stays in the list: its address travels along.
    assert html.escape(query_of(asked(client.get(f"/runs/run/samples{query}").url.params).filter)) in page
    assert set(shown(client, "?axis=temporal_steadiness&sort=lowest")[: len(rejected)]) == set(rejected)
    assert shown(client, "?decision=accepted&axis=temporal_steadiness&most=0.5") == []
    assert set(shown(client, "?decision=accepted")) == set(accepted)


def test_what_cannot_be_understood_is_said_and_left_out(client: TestClient) -> None:
    for query, words in (
        ("?axis=distinct&least=high", "is no score"),
        ("?least=0.5", "needs an axis"),
        ("?sort=lowest", "needs an axis"),
        ("?sort=prettiest", "is no order"),
        ("?axis=a'b", "is no axis"),
    ):
        page = client.get(f"/runs/run/samples{query}")
        assert (page.status_code, words in page.text) == (200, True)
        assert len(shown(client, query)) == PAGE
    assert len(shown(client, "?page=-1")) == PAGE
    nothing = client.get("/runs/run/samples?text=nothing+has+this").text
    assert "No sample of this run is like this" in nothing
    assert 'value="nothing has this"' in nothing


def test_words_of_models_and_of_addresses_are_shown_as_text(client: TestClient) -> None:
    page = client.get("/runs/run/samples", params={"text": ORDER, "reason": ORDER, "edit_type": '"><script>'}).text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert" not in client.get("/runs/run/samples").text


def test_conversations_are_marked_and_found(client: TestClient) -> None:
    talks = shown(client, "?kind=talk")
    assert talks
    assert all(int(found[1:]) % 10 == 0 for found in talks)
    assert client.get("/runs/run/samples?kind=talk").text.count('<span class="talk">') == len(talks)
    assert "<span class" + '="talk">' not in client.get("/runs/run/samples?kind=campaign").text


def test_pictures_are_small_and_a_video_gives_its_first_frame(client: TestClient, run: Path) -> None:
    page = client.get("/runs/run/samples?decision=accepted").text
    addresses = re.findall(r'<img src="([^"]+)" width="160" height="90" loading="lazy"[^>]+alt="[a-z]+ of', page)
    assert len(addresses) == 4
    video = next((run / "artifacts").rglob("*.mp4"))
    for address in (*addresses, f"/runs/run/thumbnails/{video.parent.name}{video.name}"):
        answer = client.get(address)
        assert answer.headers["content-type"] == "image/jpeg"
        assert image_of(answer.content).shape[1] == WIDTH
    assert client.get(f"/runs/run/thumbnails/{'0' * 64}.png").status_code == 404


FILTERS = st.builds(
    lambda axis, **rest: Filter(
        axis=axis, **(rest if axis else rest | {"least": None, "most": None, "sort": "oldest"})
    ),
    axis=st.sampled_from(("", "distinct")),
    decision=st.sampled_from(("", "pending", "rejected")),
    text=st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20).map(str.strip),
    reason=st.sampled_from(("", "a & b=c?")),
    least=st.sampled_from((None, 0.0, 0.25)),
    most=st.sampled_from((None, 1.0)),
    conversation=st.sampled_from((None, True, False)),
    sort=st.sampled_from(("newest", "lowest", "seconds")),
)


@given(wanted=FILTERS, page=st.integers(1, 9999))
def test_an_address_says_all_of_a_filter(wanted: Filter, page: int) -> None:
    back = asked(dict(parse_qsl(query_of(wanted, page).removeprefix("?"))))
    assert (back.filter, back.page, back.problems) == (wanted, page, ())


def test_a_filter_that_is_changed_in_place_gets_only_what_it_changes(client: TestClient) -> None:
    asking = {"HX-Request": "true", "HX-Request-Type": "partial"}
    part = client.get("/runs/run/samples?decision=&text=edit&reason=&kind=talk", headers=asking)
    assert part.text.lstrip().startswith('<section id="results"')
    assert "<form" not in part.text
    assert part.headers["HX-Push-Url"] == "/runs/run/samples?text=edit&kind=talk"
