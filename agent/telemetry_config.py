"""Where spans of a run go, and how much they say. Nothing is sent unless an endpoint is given."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, field_validator


class TelemetryConfig(BaseModel):
    """OpenTelemetry spans. Samples do not depend on it: it may change whenever a run is resumed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    endpoint: str = ""
    """Base address of a collector that takes OTLP over HTTP, for example http://127.0.0.1:4318; empty sends nothing.
    What a collector wants to know of who sends goes into OTEL_EXPORTER_OTLP_HEADERS, which no run keeps."""
    content: Literal["none", "text"] = "none"
    """Whether spans say what models and people said: instructions, arguments and results of tools, answers, errors,
    the words of a judging model. Pictures are never sent, nor captions of their own."""

    @field_validator("endpoint")
    @classmethod
    def _address(cls, endpoint: str) -> str:
        if not endpoint:
            return endpoint
        try:
            parts = urlsplit(endpoint)
            fits = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:  # a port that is no number, a bracket that is not closed
            fits = False
        if not fits:
            raise ValueError(f"{endpoint!r} is no address; expected one like http://127.0.0.1:4318")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError(
                "the address holds a user, a query or a fragment, which the run's config would keep; "
                "give such things by the environment variable OTEL_EXPORTER_OTLP_HEADERS"
            )
        return endpoint

    @property
    def traces_address(self) -> str:
        """Where spans are posted."""
        path = "/v1/traces"
        return self.endpoint if self.endpoint.endswith(path) else self.endpoint.rstrip("/") + path
