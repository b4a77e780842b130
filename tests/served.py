"""Chat models and planners on the real servers that the tests share."""

from __future__ import annotations

from langchain_core.language_models import BaseChatModel

from agent.leads import build_leads
from agent.planner import PlannerModel
from agent.profile import load_profile
from ditto_models.vllm import SamplingConfig, chat_model
from ditto_models.vllm_pool import ServerPool
from ditto_models.vllm_server import VllmServer
from ditto_models.vllm_servers import ServersConfig
from tests.scripted_server import ScriptedServer


def served_by(*servers: VllmServer | ScriptedServer) -> tuple[str, ...]:
    """Overrides of a profile that name the servers of one model."""
    addresses = ",".join(server.base_url for server in servers)
    return f"servers.vlm.base_urls={addresses}", f"servers.vlm.model={servers[0].model}"


def served_planner(server: VllmServer, temperature: float) -> PlannerModel:
    """The planner of a profile whose kind is vllm."""
    planner = f"planner={{kind: vllm, temperature: {temperature}}}"
    return build_leads(load_profile("embedded", (*served_by(server), planner))).planner


def served_chat(server: VllmServer, temperature: float, max_tokens: int = 768) -> BaseChatModel:
    pool = ServerPool(ServersConfig(base_urls=(server.base_url,), model=server.model))
    return chat_model(SamplingConfig(temperature=temperature, max_tokens=max_tokens), pool)
