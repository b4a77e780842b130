"""A chat model on the real server that the tests share."""

from __future__ import annotations

from langchain_core.language_models import BaseChatModel

from ditto_models.vllm import SamplingConfig, chat_model
from ditto_models.vllm_pool import ServerPool
from ditto_models.vllm_server import VllmServer
from ditto_models.vllm_servers import ServersConfig


def served_chat(server: VllmServer, temperature: float, max_tokens: int = 768) -> BaseChatModel:
    pool = ServerPool(ServersConfig(base_urls=(server.base_url,), model=server.model))
    return chat_model(SamplingConfig(temperature=temperature, max_tokens=max_tokens), pool)
