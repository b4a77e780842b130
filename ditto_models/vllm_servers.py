"""Which servers serve a model, and how they are asked: the settings of a pool."""

from __future__ import annotations

import os
import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, field_validator

ADDRESSES = "VLLM_BASE_URL"
KEY = "VLLM_API_KEY"
DEFAULT_ADDRESS = "http://127.0.0.1:8000/v1"
WHOLE = re.compile(r"[^\s?#,;]+")
"""One address, and not several with something else than commas between them."""


class ServersError(RuntimeError):
    """No server can be used; the message says what was found and what to do."""


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


class ServersConfig(BaseModel):
    """Servers of one model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_urls: Annotated[tuple[str, ...], BeforeValidator(_split)] = ()
    """Addresses with their path, for example http://127.0.0.1:8000/v1; also as one text with commas. None: those in the
    environment variable VLLM_BASE_URL, else http://127.0.0.1:8000/v1."""
    model: str = Field(min_length=1)
    """Name that the servers give the model."""
    api_key: SecretStr = SecretStr("")
    """Empty: the environment variable VLLM_API_KEY, else none; vLLM asks for one only if it was started with one."""
    timeout_seconds: float = Field(default=120.0, gt=0)
    """Of one attempt, from its sending to the last byte of the answer; waiting for a server does not count."""
    tries: int = Field(default=3, ge=1)
    """Of one call that servers took on and failed; refused connections and busy servers do not count."""
    first_concurrency: int = Field(default=8, ge=1)
    """Calls under way at a server, to begin with; it follows what the server bears."""
    most_concurrency: int = Field(default=256, ge=1)
    """Calls under way at a server, at most."""

    @field_validator("base_urls")
    @classmethod
    def _are_addresses(cls, addresses: tuple[str, ...]) -> tuple[str, ...]:
        tidy = tuple(address.rstrip("/") for address in addresses)
        for address in tidy:
            if problem := _problem(address):
                raise ValueError(f"{problem}; expected addresses like {DEFAULT_ADDRESS}")
        if len(set(tidy)) < len(tidy):
            raise ValueError("an address is given twice; give each once")
        return tidy

    def addresses(self) -> tuple[str, ...]:
        """The servers' addresses: the given ones, those of the environment, or the default.

        Raises:
            ValueError: the environment variable holds something else.
        """
        if self.base_urls:
            return self.base_urls
        try:
            found = ServersConfig.model_validate({"base_urls": os.environ.get(ADDRESSES, ""), "model": self.model})
        except ValidationError as error:
            # Without what was given: it may hold a password.
            problem = error.errors(include_input=False)[0]["msg"].removeprefix("Value error, ")
            raise ValueError(f"environment variable {ADDRESSES}: {problem}, with commas between them") from None
        return found.base_urls or (DEFAULT_ADDRESS,)

    def key(self) -> str:
        """The api key in clear; "none" where there is none."""
        return self.api_key.get_secret_value() or os.environ.get(KEY, "") or "none"


def _problem(address: str) -> str:
    if "@" in address:  # it would stand in every record and every log
        return "an address holds a password; give it as api_key"
    try:
        parts = urlsplit(address)
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.path and parts.port != 0
    except ValueError:  # a port that is no number, a bracket that is not closed
        valid = False
    if not valid or not WHOLE.fullmatch(address) or not address.isprintable():
        return f"{address!r} is no address with scheme and path"
    return ""
