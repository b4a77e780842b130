"""The README says what is so today."""

import re
from pathlib import Path

from agent.graph import drawing

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_its_graph_is_the_graph() -> None:
    assert f"```mermaid\n{drawing()}\n```" in README


def test_every_file_it_names_exists() -> None:
    named = re.findall(r"\]\(([\w./-]+)\)", README) + re.findall(
        r"`((?:agent|tools|memory|prompts|ditto_models)/[\w./]+)`", README
    )
    assert len(named) > 10
    assert not [name for name in named if not (ROOT / name).exists()]
