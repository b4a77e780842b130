"""Two small runs that have something for every page of the studio: pairs, a rejected sample, a conversation."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from agent.campaign import Limits
from agent.conversation.moves import Move
from memory.ledger import Ledger
from tests.fake_run import fake_models, fake_profile, make_clips, run_fake
from tests.talks_by_hand import HandTalk

SECRET = "a wish of my own"
"""In a conversation that its person gave to nobody."""
ATTACK = "<script>document.title = 'taken'</script><img src=x onerror=alert(1)>"


@pytest.fixture(scope="session")
def shown_runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Folders "one" and "two", made from a folder with a space in its name. Not to be written into."""
    folder = tmp_path_factory.mktemp("shown")
    clips = make_clips(folder / "my clips")
    profile = fake_profile()
    picky = fake_models(
        profile, values=lambda sample: {"source_motion": 0.9 if sample.id.startswith("000001") else 0.1}
    )
    run_fake(folder / "one", clips, 2, profile=profile, models=picky, limits=Limits(target=2, max_candidates=2))
    run_fake(folder / "two", clips, 1, seed=1)
    with closing(Ledger(folder / "one" / "ledger.sqlite")) as ledger:
        talk = HandTalk.begun(ledger, 1, f"Make it snow {ATTACK}")
        talk.look()
        talk.propose(f"Make it snow heavily. {ATTACK}", "Make it snow a little.", note="The sky stays.")
        talk.preview()
        talk.move(Move(call="approve", number=1))
        talk.make()
        talk.move(Move(call="keep"))
        talk.accept()
        secret = HandTalk.begun(ledger, 2, f"Make it {SECRET}")
        secret.look()
        secret.say("What do you mean?")
        secret.move(Move(call="close"))
    return folder / "one", folder / "two"
