"""The chat client of a planner, writer or judge that is served by vLLM, or by anything with an OpenAI-style address.

One request shape is promised to work: `bind_tools(tools, tool_choice="required", strict=True,
parallel_tool_calls=False)` with tools that carry `"strict": true` themselves, and PNG images as data URLs. Asked so, a
server started by `ditto_models.serve` answers with one call whose arguments satisfy the tool's schema, or, where
`max_tokens` cut it short, with no call at all.

A call may bind `seed`, and `extra_headers={"x-ditto-purpose": ..., "x-ditto-prompt": HASH}` for its record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    import httpx2
    from langchain_core.language_models import BaseChatModel

    from ditto_models.vllm_pool import ServerPool


class SamplingConfig(BaseModel):
    """How a served model samples."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: float = Field(default=0.7, ge=0, le=2)
    """0 always takes the likeliest token."""
    seed: int = 0
    """Of the sampling; the same request with the same seed gives the same answer. A call may bind its own."""
    max_tokens: int = Field(default=1024, ge=1)
    """Of one answer; a tool call that is cut by it is lost."""


def chat_model(config: SamplingConfig, pool: ServerPool) -> BaseChatModel:
    """A chat model over the servers of a pool; nothing is sent before its first call. Its calls are async only.

    It retries nothing itself: the pool's transport does, and raises the OpenAI client's own errors when it gives up.
    """
    import httpx2
    from langchain_openai import ChatOpenAI

    from ditto_models.vllm_transport import PLACEHOLDER

    return ChatOpenAI(
        base_url=PLACEHOLDER,
        model=pool.config.model,
        api_key=pool.config.key,
        temperature=config.temperature,
        seed=config.seed,
        max_completion_tokens=config.max_tokens,
        timeout=None,
        max_retries=0,
        use_responses_api=False,
        disable_streaming=True,
        openai_proxy=None,
        http_socket_options=(),  # of clients that it would make itself; or it warns of proxies, which ours never ask
        http_client=httpx2.Client(transport=httpx2.MockTransport(_refuse_to_block)),
        http_async_client=http_client(pool),
    )


def http_client(pool: ServerPool) -> httpx2.AsyncClient:
    """A plain client over the servers of a pool, for requests that are no chat; it is given `PLACEHOLDER` addresses."""
    import httpx2

    from ditto_models.vllm_transport import PLACEHOLDER, PooledTransport

    return httpx2.AsyncClient(transport=PooledTransport(pool), base_url=PLACEHOLDER, timeout=None, trust_env=False)


def _refuse_to_block(request: httpx2.Request) -> httpx2.Response:
    raise RuntimeError("a served model is called with `ainvoke`; a blocking call would hold up every other sample")


def is_of_server(error: BaseException) -> bool:
    """Whether a call failed for its server or its request, and not for a fault in this program."""
    from openai import APIError

    return isinstance(error, APIError)
