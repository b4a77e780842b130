"""The compare page: two runs, two versions of the prompts in one, and what is said where there is only one."""

import asyncio
import html
import json
import re
from contextlib import closing
from pathlib import Path

import pytest

from agent.inspect import __main__ as inspect
from memory.ledger import Ledger
from memory.listing import Filter
from memory.sample import Provenance
from tests.fake_run import fake_models, fake_profile, make_clips, run_fake
from tests.studio_client import studio_client
from tests.test_memory import event


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same clips and seed, so the same instructions; the second run finds every other video unsteady."""
    folder, profile = tmp_path_factory.mktemp("compared"), fake_profile("edits_per_clip=2")
    clips = make_clips(folder / "clips")
    run_fake(folder / "run", clips, target=3, profile=profile)
    models = fake_models(profile, values=lambda one: {"temporal_steadiness": 0.9 if int(one.id[:6]) % 2 else 0.125})
    run_fake(folder / "other", clips, target=2, profile=profile, models=models)
    return folder / "run", folder / "other"


def test_two_runs_are_held_against_each_other(runs: tuple[Path, Path], tmp_path: Path) -> None:
    run, other = runs
    with studio_client(run, other, scratch=tmp_path, read_only=True) as client:
        answer = client.get("/runs/run/compare")
        page = html.unescape(answer.text)
        assert "Too few to tell" in page
        assert "First: run, all (3 samples)" in page
        assert "1 of 3 pairs of samples of the same clip: one side accepted, the other did not" in page
        apart = re.findall(r'<a href="/runs/(run|other)/samples/([^"]+)">', page)
        with closing(Ledger(other / "ledger.sqlite", read_only=True)) as ledger:
            rejected = {one.id for one in ledger.outcomes(Filter(decision="rejected"))}
        assert len(rejected) == 1
        assert [id_ for key, id_ in apart if key == "other"] == [*rejected]
        for picture in set(re.findall(r'<img src="([^"]+)"', page)):
            assert client.get(picture).status_code == 200
        listed = re.search(r'href="(/runs/other/samples\?reason=temporal_steadiness[^"]+)"', page)
        assert listed
        assert client.get(listed[1]).text.count('<li class="sample">') == len(rejected)


def test_the_terminal_says_the_same(runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    run, other = map(str, runs)
    assert inspect.main([run, "--compare", other]) == 0
    told = capsys.readouterr().out
    assert "100% (44% to 100%, n = 3)" in told
    assert "they disagree on 1 of 3 samples of the same clip" in told
    assert inspect.main([run, "--compare", other, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["matched"], found["disagreements"][0]["accepted"]) == (3, "first")
    assert found["second"]["reasons"] == {"temporal_steadiness": 1}
    assert inspect.main([run, "--compare", f"{other}/nowhere"]) == 2


def test_versions_of_the_prompts_are_compared_within_a_run(runs: tuple[Path, Path], tmp_path: Path) -> None:
    run, _ = runs
    with studio_client(run, scratch=tmp_path, read_only=True) as client:
        alone = client.get("/runs/run/compare").text
        assert "python -m agent.studio RUN OTHER" in alone
        assert "<table" not in alone
    with closing(Ledger(run / "ledger.sqlite")) as ledger:
        asyncio.run(_with_other_prompts(ledger))
    with studio_client(run, scratch=tmp_path, read_only=True) as client:
        page = client.get("/runs/run/compare").text
        assert "prompts changed1" in page
        assert "Difference" in page
        # What does not exist is answered with what does.
        assert client.get("/runs/run/compare?first=nothing&second=run").text == page


async def _with_other_prompts(ledger: Ledger) -> None:
    row = next(ledger.rows())
    made = Provenance(models={}, prompts_hash="changed1" * 2, config_hash="", code_version="", created_at="")
    again = row.sample.model_copy(update={"id": "again", "provenance": made, "decision": "rejected"})
    await ledger.append(event("again"), again, ledger.next_number())
