"""Qwen2.5-VL on a real server, with a chat template that has no tools, as its published checkpoints have it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from langchain_core.messages import HumanMessage

from ditto_models.vllm_server import VllmServer, VllmServerConfig
from tests.served import served_chat
from tests.tiny_checkpoints import tiny_checkpoint
from tests.vllm_server import environment_of_vllm

pytestmark = pytest.mark.soak
TOOL = {
    "type": "function",
    "function": {
        "name": "reject",
        "description": "Give the sample up.",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"reason": {"enum": ["unsuitable", "duplicate"]}},
            "required": ["reason"],
            "additionalProperties": False,
        },
    },
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VllmServer]:
    folder = tmp_path_factory.mktemp("older")
    venv = environment_of_vllm()
    checkpoint = folder / "model"
    shutil.copytree(tiny_checkpoint(venv, "qwen2_5_vl"), checkpoint)
    template = checkpoint / "chat_template.jinja"
    template.write_text(template.read_text().replace("tools", "nothing_of_the_kind"))
    config = VllmServerConfig(model=str(checkpoint), served_model_name="tiny-vlm", port=0, venv=venv, cpu=True)
    with (folder / "server.log").open("w") as log, VllmServer(config, log) as running:
        yield running


async def test_a_checkpoint_without_tools_in_its_template_is_told_of_them(server: VllmServer) -> None:
    chat = served_chat(server, temperature=0)
    asked = [HumanMessage("Call it.")]
    answer = await chat.bind_tools([TOOL], tool_choice="required", strict=True).ainvoke(asked)
    assert [call["args"].keys() for call in answer.tool_calls] == [{"reason"}]
    plain, told = (
        said.usage_metadata["input_tokens"]
        for said in (await chat.ainvoke(asked), await chat.bind_tools([TOOL]).ainvoke(asked))
        if isinstance(said, type(answer)) and said.usage_metadata
    )
    assert told > plain + 50
