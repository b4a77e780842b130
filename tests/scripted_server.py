"""A small real HTTP server in the shape of vLLM's, which answers by a Python function and breaks on request.

    def answer(asked: Asked) -> Answer:
        return call("reject", reason="unsuitable") if asked.tools else '{"score": 7}'

    with ScriptedServer(answer) as server:
        ServersConfig(base_urls=[server.base_url], model=server.model)
        server.script(Reset(), Status(429, retry_after="1"))  # the next two calls break, the third is answered
        server.kill(); server.restart()                       # on the same port, like a process that died

The function runs in the thread of its request: it may look at `asked.body` (the request as sent), `asked.tools` (names
of the tools), `asked.schema` (of a json_schema answer), `asked.text` (all text parts, joined). It returns text, a
`call(...)`, several calls in a list, or a fault (Reset, Die, Stall, Drip, Cut, Status, Raw, HTML), which happens to
that one request. `schema_answer` is a function that answers every schema with its smallest instance. `server.asked`
keeps what came, in order; `server.died` is an event to wait for.

Served: POST /v1/chat/completions and /v1/embeddings, GET /v1/models, /health and /metrics. With `slots`, that many
requests run at a time and the others wait, as /metrics tells; `seconds` is how long each takes. Standard library only.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from tests.scripted_answers import (
    HTML,
    Answer,
    Asked,
    Cut,
    Die,
    Drip,
    Fault,
    Length,
    Raw,
    Reset,
    Stall,
    Status,
    ToolCall,
    answer_body,
    call,
    schema_answer,
    smallest,
)

__all__ = [
    "HTML",
    "Answer",
    "Asked",
    "Cut",
    "Die",
    "Drip",
    "Fault",
    "Length",
    "Raw",
    "Reset",
    "ScriptedServer",
    "Stall",
    "Status",
    "ToolCall",
    "call",
    "schema_answer",
    "smallest",
]


@dataclass
class ScriptedServer:
    """The running server; leaving the `with` block ends it."""

    answer: Callable[[Asked], Answer] = schema_answer
    model: str = "scripted"
    slots: int = 1000
    seconds: float = 0.0
    metrics: bool = True
    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    running: int = 0
    waiting: int = 0
    most_running_and_waiting: int = 0

    def __post_init__(self) -> None:
        self._script: deque[Fault | None] = deque()
        self._free = threading.Condition()
        self._http: _Http | None = None
        self.died = threading.Event()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def script(self, *steps: Fault | None) -> None:
        """Break the next calls, one step each; None lets one pass."""
        self._script.extend(steps)

    def __enter__(self) -> Self:
        self.restart()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()

    def restart(self) -> None:
        """Listen, on the port it had before if it was killed."""
        self.died.clear()
        self._http = _Http(("127.0.0.1", self.port), self)
        self.port = int(self._http.server_address[1])
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    def kill(self) -> None:
        """Stop listening and drop every connection, as a process that ends does; nothing if it is dead already."""
        http, self._http = self._http, None
        if http is not None:
            http.end()
            self.died.set()

    def reply(self, asked: Asked) -> Answer:
        """What the script or the function says, after the request had its turn."""
        with self._free:
            self.asked.append(asked)
            fault = self._script.popleft() if self._script else None
            self.waiting += 1
            self.most_running_and_waiting = max(self.most_running_and_waiting, self.running + self.waiting)
            self._free.wait_for(lambda: self.running < self.slots)
            self.waiting -= 1
            self.running += 1
        try:
            time.sleep(self.seconds)
            return fault or self.answer(asked)
        finally:
            with self._free:
                self.running -= 1
                self._free.notify()

    def gauges(self) -> bytes:
        """As vLLM 0.32 writes them."""
        labels = f'{{engine="0",model_name="{self.model}"}}'
        lines = []
        for name, value in (("running", self.running), ("waiting", self.waiting)):
            lines += [f"# TYPE vllm:num_requests_{name} gauge", f"vllm:num_requests_{name}{labels} {float(value)}"]
        return "\n".join([*lines, ""]).encode()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], script: ScriptedServer) -> None:
        self.script = script
        self.ended = threading.Event()
        self._open: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is not this server's trouble."""

    def end(self) -> None:
        self.ended.set()
        self.shutdown()
        self.server_close()
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it has gone already


class _Handler(BaseHTTPRequestHandler):
    server: _Http
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each answer waits 40 ms for an acknowledgement

    def log_message(self, format: str, *args: Any) -> None:
        """Tests need no access log."""

    def do_GET(self) -> None:
        script = self.server.script
        if self.path == "/v1/models":
            listed = {"object": "list", "data": [{"id": script.model, "object": "model"}]}
            self._send(200, json.dumps(listed).encode())
        elif self.path == "/metrics" and script.metrics:
            self._send(200, script.gauges(), "text/plain")
        else:
            self._send(200 if self.path == "/health" else 404, b"{}")

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["content-length"]))
        asked = Asked(path=self.path, headers=dict(self.headers), raw=raw, body=json.loads(raw))
        answer = self.server.script.reply(asked)
        match answer:
            case Reset():
                self._reset()
            case Die():
                self.close_connection = True
                self.server.script.kill()
            case Status():
                said = {"error": {"message": "scripted", "type": "error", "code": answer.code}}
                self._send(answer.code, answer.body or json.dumps(said).encode(), retry_after=answer.retry_after)
            case Raw():
                self._send(200, answer.body, answer.content_type)
            case Stall():
                self.server.ended.wait(answer.seconds)
                self._send(200, answer_body(asked, "late"))
            case Drip():
                self._drip(answer_body(asked, "slowly"), answer)
            case Cut():
                self._cut(answer_body(asked, "this answer is cut before it ends"), answer)
            case _:
                self._send(200, answer_body(asked, answer))

    def _send(
        self, code: int, body: bytes, content_type: str = "application/json", retry_after: str | None = None
    ) -> None:
        self.send_response(code)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        if retry_after is not None:
            self.send_header("retry-after", retry_after)
        self.end_headers()
        self.wfile.write(body)

    def _cut(self, body: bytes, cut: Cut) -> None:
        kept = body[: int(len(body) * cut.fraction)]
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header(*(("transfer-encoding", "chunked") if cut.chunked else ("content-length", str(len(body)))))
        self.end_headers()
        self.wfile.write(b"%x\r\n%b\r\n" % (len(kept), kept) if cut.chunked else kept)
        self.close_connection = True

    def _drip(self, body: bytes, drip: Drip) -> None:
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        for byte in body:
            if self.server.ended.wait(drip.seconds):
                return
            self.wfile.write(bytes([byte]))

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.rfile.close()
        self.wfile.close()
        self.connection.close()
