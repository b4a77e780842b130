"""A small collector: takes OTLP over HTTP as a real one does, decodes it, and keeps the spans."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

Value = str | bool | int | float | list[str]


@dataclass(frozen=True, kw_only=True)
class Received:
    """One span as it came."""

    name: str
    trace: str
    id: str
    parent: str
    """Empty of a root."""
    kind: int
    began: int
    ended: int
    """Nanoseconds since 1970."""
    attributes: Mapping[str, Value]
    events: tuple[tuple[str, Mapping[str, Value]], ...]
    failed: bool
    said: str
    """With its status."""
    service: str


@dataclass
class Receiver:
    """The running collector; leaving the `with` block ends it. Every answer takes `seconds`, and has this `status`."""

    seconds: float = 0.0
    status: int = 200
    spans: list[Received] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                time.sleep(receiver.seconds)
                receiver.take(self.path, dict(self.headers), body)
                answer = ExportTraceServiceResponse().SerializeToString()
                self.send_response(receiver.status)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:
                """Tests read no log."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._http.server_close()

    @property
    def address(self) -> str:
        """To give as telemetry.endpoint."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def take(self, path: str, headers: dict[str, str], body: bytes) -> None:
        """Decode one request and keep its spans, unless it is refused."""
        self.paths.append(path)
        self.headers.append(headers)
        if self.status != 200:
            return
        for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = str(_values(of_resource.resource.attributes)["service.name"])
            for span in (span for scope in of_resource.scope_spans for span in scope.spans):
                self.spans.append(
                    Received(
                        name=span.name,
                        trace=span.trace_id.hex(),
                        id=span.span_id.hex(),
                        parent=span.parent_span_id.hex(),
                        kind=span.kind,
                        began=span.start_time_unix_nano,
                        ended=span.end_time_unix_nano,
                        attributes=_values(span.attributes),
                        events=tuple((event.name, _values(event.attributes)) for event in span.events),
                        failed=span.status.code == 2,
                        said=span.status.message,
                        service=service,
                    )
                )

    def under(self, parent: Received) -> list[Received]:
        """The children of a span, by the time they began."""
        return sorted((span for span in self.spans if span.parent == parent.id), key=lambda span: span.began)

    def roots(self) -> list[Received]:
        """Spans without a parent."""
        return [span for span in self.spans if not span.parent]


def _values(pairs: Iterable[KeyValue]) -> dict[str, Value]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Value:
    if value.HasField("array_value"):
        return [each.string_value for each in value.array_value.values]
    found: str | bool | int | float = getattr(value, str(value.WhichOneof("value")))
    return found
