"""A real vLLM server is killed while it answers, and started again on its port: every call is answered."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import ExitStack
from pathlib import Path

import pytest

from ditto_models.call_log import recording
from ditto_models.vllm import SamplingConfig, chat_model
from ditto_models.vllm_pool import ServerPool
from ditto_models.vllm_server import VllmServer, VllmServerConfig
from ditto_models.vllm_servers import ServersConfig
from tests.tiny_checkpoints import tiny_checkpoint
from tests.vllm_server import FAMILIES, environment_of_vllm

pytestmark = pytest.mark.soak
CALLS = 60


async def test_a_killed_server_is_waited_for_and_every_call_is_answered(tmp_path: Path) -> None:
    venv = environment_of_vllm()
    model = str(tiny_checkpoint(venv, FAMILIES[0]))
    with ExitStack() as undo:
        log = undo.enter_context((tmp_path / "server.log").open("w"))

        async def serve(port: int) -> VllmServer:
            config = VllmServerConfig(model=model, served_model_name="tiny-vlm", port=port, venv=venv, cpu=True)
            return await asyncio.to_thread(undo.enter_context, VllmServer(config, log))

        server = await serve(0)
        pool = ServerPool(ServersConfig(base_urls=(server.base_url,), model=server.model))
        lines: list[str] = []
        pool.on_change = lines.append
        await pool.check()
        chat = chat_model(SamplingConfig(temperature=1.5, max_tokens=128), pool)
        with recording() as calls:
            asked = [asyncio.create_task(chat.ainvoke("Tell me of the clip.", seed=seed)) for seed in range(CALLS)]
            await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
            os.killpg(server._process.pid, signal.SIGKILL)
            await asyncio.sleep(2)
            await serve(int(server.base_url.split(":")[2].split("/")[0]))
            await asyncio.gather(*asked)
        print(*lines, sep="\n")
        assert len(calls) == CALLS
        assert not [call.error for call in calls if call.error]
        assert 0 < sum("lost" in fault for call in calls for fault in call.faults) <= CALLS
        assert [line.split(server.base_url)[-1].split(":")[0].rsplit(" after")[0] for line in lines] == [
            " set aside",
            "no server of 1 answers",
            " taken back",
        ]
        await pool.close()
