"""Which chat template a served model needs: its own, or ours where its own has no tools."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

WITH_TOOLS = Path(__file__).parent / "qwen_vl_tools.jinja"
"""The Qwen chat format with pictures and tools."""
LACKS_TOOLS = re.compile(r"qwen2(\.5)?-vl", re.IGNORECASE)
"""Names on the hub of the models whose own template has none."""
FAMILIES = ("qwen2_vl", "qwen2_5_vl")
"""Their `model_type`: the models for which ours is right."""


def template_to_pass(model: str) -> Path | None:
    """The template that `vllm serve` must be given for tool calls; None where the model's own has tools.

    Raises:
        ValueError: a checkpoint's own template has no tools, and it is of a family that ours is not for.
    """
    folder = Path(model)
    if not folder.is_dir():
        return WITH_TOOLS if LACKS_TOOLS.search(model) else None
    if "tools" in own_template(folder):
        return None
    family = json_of(folder / "config.json").get("model_type")
    if family not in FAMILIES:
        raise ValueError(
            f"the chat template of {model!r} ({family}) has no tools; give one that has: -- --chat-template FILE"
        )
    return WITH_TOOLS


def own_template(folder: Path) -> str:
    """The chat template of a checkpoint, from where vLLM takes it; empty where it has none."""
    if (folder / "chat_template.jinja").is_file():
        return (folder / "chat_template.jinja").read_text()
    for name in ("chat_template.json", "tokenizer_config.json"):
        template = json_of(folder / name).get("chat_template")
        if isinstance(template, list):  # several, by name
            template = {each["name"]: each["template"] for each in template}.get("default")
        if isinstance(template, str):
            return template
    return ""


def json_of(path: Path) -> dict[str, Any]:
    """One of a checkpoint's JSON files; empty where it is missing.

    Raises:
        ValueError: it does not hold a JSON object.
    """
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{str(path)!r} is no JSON object ({error}); fetch the checkpoint anew") from error
