"""Sentence vectors from an embedding model that is served by vLLM (`ditto_models.serve vllm --embeddings`)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from ditto_models.vllm_servers import ServersConfig

if TYPE_CHECKING:
    from openai import OpenAI

TEXTS_PER_REQUEST = 256
CHECK_SECONDS = 10.0
"""That a server has for its first vector."""


class VllmEmbedderConfig(BaseModel):
    """How the servers are asked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    server: str = "embeddings"
    """Name of the group of servers."""
    dimensions: int = Field(default=0, ge=0)
    """Of a vector; 0: as many as the model gives. Another number than the model's is an error."""
    patience_seconds: float = Field(default=120.0, ge=0)
    """How long servers that are away, busy or broken are asked again, one after the other."""


class EmbedderError(RuntimeError):
    """The servers gave no vectors, whatever the texts; the message says what was expected and what to do."""


class VllmEmbedder:
    """TextEmbedder: one vector a text, as the model pools it. Any thread may call it; nothing is sent before that."""

    def __init__(self, servers: ServersConfig, config: VllmEmbedderConfig | None = None) -> None:
        self.name = servers.model
        self._servers = servers
        self._config = config or VllmEmbedderConfig()
        self._turns = count()

    def check(self) -> None:
        """See before the work begins that a server gives vectors: one question, and little patience.

        Raises:
            EmbedderError: as in `embed`.
        """
        servers = self._servers.model_copy(
            update={"timeout_seconds": min(CHECK_SECONDS, self._servers.timeout_seconds)}
        )
        VllmEmbedder(servers, self._config.model_copy(update={"patience_seconds": 0.0})).embed(["ready"])

    @cached_property
    def dimensions(self) -> int:
        """Of a vector; the first look may ask the server.

        Raises:
            EmbedderError: as in `embed`.
        """
        return self._config.dimensions or self._checked(self._asked(["dimensions"]), 1, 0).shape[1]

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors, ND float32, in the order of the texts.

        Raises:
            EmbedderError: no server answered in time, or the answer holds something else than one finite vector of the
                right length for each text.
            ValueError: the model takes no such text: it is empty, or too long.
        """
        vectors_ND = np.zeros((len(texts), self.dimensions), np.float32)
        for start in range(0, len(texts), TEXTS_PER_REQUEST):
            some = texts[start : start + TEXTS_PER_REQUEST]
            vectors_ND[start : start + len(some)] = self._checked(self._asked(some), len(some), self.dimensions)
        return vectors_ND

    def _asked(self, texts: Sequence[str]) -> list[list[float]]:
        """The vectors of a few texts, from the first server that gives them."""
        from openai import BadRequestError, OpenAIError
        from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_exponential_jitter

        again = Retrying(
            retry=retry_if_exception(_is_transient),
            stop=stop_after_delay(self._config.patience_seconds),
            wait=wait_exponential_jitter(multiplier=0.5, max=10),
            reraise=True,
        )
        try:
            return again(self._asked_once, list(texts))
        except BadRequestError as error:
            raise ValueError(f"{self.name!r} takes no such text: {_words(error)}") from error
        except (OpenAIError, ValueError) as error:  # ValueError: an answer without vectors
            raise EmbedderError(
                f"no vectors of {self.name!r} from {', '.join(self._servers.addresses())}: {_words(error)}; "
                f"start it there: `python -m ditto_models.serve vllm --model {self.name} --embeddings`"
            ) from error

    def _asked_once(self, texts: list[str]) -> list[list[float]]:
        """From the first of the servers that is there; the next request begins with the next one."""
        first = next(self._turns)
        for turn in range(first, first + len(self._clients) - 1):
            try:
                return self._from(turn, texts)
            except Exception as error:
                if not _is_transient(error):
                    raise
        return self._from(first - 1, texts)

    def _from(self, turn: int, texts: list[str]) -> list[list[float]]:
        answer = self._clients[turn % len(self._clients)].embeddings.create(model=self.name, input=texts)
        return [each.embedding for each in sorted(answer.data, key=lambda each: each.index)]

    @cached_property
    def _clients(self) -> list[OpenAI]:
        from openai import DefaultHttpxClient, OpenAI

        return [
            OpenAI(
                base_url=address,
                api_key=self._servers.key(),
                timeout=self._servers.timeout_seconds,
                max_retries=0,
                http_client=DefaultHttpxClient(trust_env=False),  # our own servers are never asked through a proxy
            )
            for address in self._servers.addresses()
        ]

    def _checked(self, vectors: list[list[float]], num_texts: int, dimensions: int) -> NDArray[np.float32]:
        """Unit vectors; a number of dimensions of 0 takes any."""
        lengths = {len(vector) for vector in vectors}
        if len(vectors) != num_texts or len(lengths) != 1 or dimensions not in (0, *lengths):
            wanted = f"{num_texts} vectors of {dimensions or 'any number of'} dimensions"
            raise EmbedderError(
                f"{self.name!r} gave {len(vectors)} vectors of {sorted(lengths)} dimensions; expected {wanted}: "
                "set `dimensions` to what the model gives"
            )
        raw_ND = np.asarray(vectors, np.float64)
        norms_N1 = np.linalg.norm(raw_ND, axis=1, keepdims=True)
        if not np.isfinite(norms_N1).all() or not norms_N1.all():
            raise EmbedderError(
                f"{self.name!r} gave vectors that are zero or not finite; serve another embedding model"
            )
        unit_ND: NDArray[np.float32] = (raw_ND / norms_N1).astype(np.float32)
        return unit_ND


def _is_transient(error: BaseException) -> bool:
    from openai import APIConnectionError, InternalServerError, RateLimitError

    return isinstance(error, APIConnectionError | InternalServerError | RateLimitError)


def _words(error: Exception) -> str:
    """What happened, in one line, with the cause that openai keeps to itself."""
    said = [str(error), *([str(error.__cause__)] if error.__cause__ else [])]
    return " ".join(" ".join(said).split())[:300].rstrip(".")
