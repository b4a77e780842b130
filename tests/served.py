"""A chat model on the real server that the tests share."""

from __future__ import annotations

from langchain_core.language_models import BaseChatModel

from ditto_models.vllm import VllmConfig, chat_model
from ditto_models.vllm_server import VllmServer


def served_chat(server: VllmServer, temperature: float, max_tokens: int = 768) -> BaseChatModel:
    config = VllmConfig(
        base_url=server.base_url, model=server.model, temperature=temperature, max_tokens=max_tokens, max_retries=0
    )
    return chat_model(config)
