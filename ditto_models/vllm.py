"""The chat client of a planner, writer or judge that is served by vLLM, or by anything with an OpenAI-style address.

One request shape is promised to work: `bind_tools(tools, tool_choice="required", strict=True,
parallel_tool_calls=False)` with tools that carry `"strict": true` themselves, and PNG images as data URLs. Asked so, a
server started by `ditto_models.serve` answers with one call whose arguments satisfy the tool's schema, or, where
`max_tokens` cut it short, with no call at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, SecretStr

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel


class VllmConfig(BaseModel):
    """Where the model is served, and how it samples."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_url: str = Field(pattern=r"^https?://[^/]+/.+")
    """Address with its path, for example http://127.0.0.1:8000/v1."""
    model: str = Field(min_length=1)
    """Name that the server gives the model."""
    api_key: SecretStr = SecretStr("none")
    """vLLM asks for none unless it was started with one."""
    temperature: float = Field(default=0.7, ge=0, le=2)
    """0 always takes the likeliest token."""
    seed: int = 0
    """Of the sampling; the same request with the same seed gives the same answer. A call may bind its own."""
    max_tokens: int = Field(default=1024, ge=1)
    """Of one answer; a tool call that is cut by it is lost."""
    timeout_seconds: float = Field(default=120.0, gt=0)
    """Of one request."""
    max_retries: int = Field(default=2, ge=0)
    """Of a request that was refused, timed out or met a busy server."""


def chat_model(config: VllmConfig) -> BaseChatModel:
    """A chat model that talks to the server; nothing is sent before its first call.

    It has a connection pool of its own: the one that LangChain shares by address outlives the event loop it began in.
    """
    from langchain_openai import ChatOpenAI
    from openai import DefaultAsyncHttpxClient

    return ChatOpenAI(
        base_url=config.base_url,
        model=config.model,
        api_key=config.api_key,
        temperature=config.temperature,
        seed=config.seed,
        max_completion_tokens=config.max_tokens,
        timeout=config.timeout_seconds,
        max_retries=config.max_retries,
        use_responses_api=False,
        http_async_client=DefaultAsyncHttpxClient(),
    )


def is_transient(error: BaseException) -> bool:
    """Whether the same request may succeed later: no connection, a time-out, a server that is busy or broke.

    A request that the server refuses as it is (400, 404, ...) is not.
    """
    from openai import APIConnectionError, InternalServerError, RateLimitError

    return isinstance(error, APIConnectionError | InternalServerError | RateLimitError)
