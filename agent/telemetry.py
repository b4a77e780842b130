"""Spans of what samples go through, by OTLP to any collector; the one home of opentelemetry, loaded where it is on.

They are made of the ledger's events once those are on disk, and sent by a thread of their own: a collector that is slow
or gone costs spans, never time of the run. Ids follow from the sample, so that a resumed one goes on in its trace.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    Tracer,
    set_span_in_context,
)

from agent.plain import plain
from agent.provenance import code_version
from agent.span_attributes import AGENT, Attributes, evaluations, of_call, of_event, of_sample
from agent.telemetry_config import TelemetryConfig
from memory.sample import Event, ModelCall, Sample

QUEUE_SPANS = 4096
"""Spans that wait to be sent, at most; the oldest give way."""
BATCH_SPANS = 256
EVERY_SECONDS = 1.0
SEND_SECONDS = 5.0
"""For one batch, with all its attempts."""
FLUSH_SECONDS = 2.0
"""What the end of a run waits for the last spans, at most."""


@dataclass(frozen=True, kw_only=True)
class _Trace:
    """Of one sample. Ids are of as many bits as OTLP wants."""

    trace_id: int
    root_id: int
    begun: int
    """Nanoseconds since 1970."""

    def span_id(self, *part: int) -> int:
        return _number(f"{self.trace_id:032x}{part}", 8)


class _Ids(IdGenerator):
    """Gives the tracer the ids that were put here."""

    trace_id = span_id = 1

    def generate_trace_id(self) -> int:
        return self.trace_id

    def generate_span_id(self) -> int:
        return self.span_id


class _OneWarning(logging.Handler):
    """Says the first thing that the library has to complain of, and no more."""

    def __init__(self, address: str, say: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._address = address
        self._say = say
        self._said = False

    def emit(self, record: logging.LogRecord) -> None:
        if not self._said:
            self._said = True
            why = " ".join(plain(record.getMessage()).split())
            self._say(
                f"telemetry: spans are lost on the way to {self._address!r} ({why[:200]}); "
                "the run goes on, and nothing more is said of it"
            )


@contextmanager
def sending_spans(
    config: TelemetryConfig, run: str, first_event: Callable[[str], Event], say: Callable[[str], None]
) -> Iterator[Callable[[Event, Sample], None]]:
    """A listener that makes spans of events and has them sent while the block lasts.

    `first_event` gives the first event of a sample that an earlier session began.
    """
    complaints = logging.getLogger("opentelemetry")
    complaints.propagate = False  # or the library would write on stderr whatever it has to say
    complaints.addHandler(logging.NullHandler())
    handler = _OneWarning(config.traces_address, say)
    complaints.addHandler(handler)
    ids, version = _Ids(), code_version()
    exporter = OTLPSpanExporter(endpoint=config.traces_address, timeout=SEND_SECONDS)
    sender = BatchSpanProcessor(exporter, QUEUE_SPANS, 1000 * EVERY_SECONDS, BATCH_SPANS)
    provider = TracerProvider(
        sampler=ALWAYS_ON,
        resource=Resource.create({"service.name": AGENT, "service.version": version}),
        id_generator=ids,
        shutdown_on_exit=False,
    )
    provider.add_span_processor(sender)
    try:
        yield Spans(provider.get_tracer(AGENT, version), ids, config, run, first_event).hear
    finally:
        last = threading.Thread(target=sender.shutdown, name="telemetry", daemon=True)
        last.start()
        last.join(FLUSH_SECONDS)
        complaints.removeHandler(handler)
        if last.is_alive():
            exporter.shutdown()  # type: ignore[no-untyped-call]  # wakes it from its pause, and what is left is dropped


class Spans:
    """Makes spans of events, one trace a sample."""

    def __init__(
        self, tracer: Tracer, ids: _Ids, config: TelemetryConfig, run: str, first_event: Callable[[str], Event]
    ) -> None:
        self._tracer = tracer
        self._ids = ids
        self._content = config.content
        self._run = run
        self._first_event = first_event
        self._traces: dict[str, _Trace] = {}

    def hear(self, event: Event, sample: Sample) -> None:
        """Take an event in that is on disk, with the sample that it led to."""
        trace = self._trace(event, sample)
        ended, began = _times(event)
        name = f"person {event.tool}" if event.by == "person" else f"execute_tool {event.tool}"
        span_id = trace.span_id(event.seq)
        span = self._start(
            trace, name, span_id, trace.root_id, began, of_event(event, sample, self._content), SpanKind.INTERNAL
        )
        for found in evaluations(event, self._content):
            span.add_event("gen_ai.evaluation.result", found, ended)
        at = began
        for number, call in enumerate(event.calls):
            at = self._call(trace, (event.seq, number), call, sample, (at, ended))
        self._end(span, event.error or "", ended)
        if event.next_stage == "done" and event.stage != "done":
            root = self._start(
                trace,
                f"invoke_agent {AGENT}",
                trace.root_id,
                0,
                trace.begun,
                of_sample(sample, self._run, self._content),
                SpanKind.INTERNAL,
            )
            self._end(root, ", ".join(sample.reasons) if sample.decision == "failed" else "", ended)
            self._traces.pop(sample.id)

    def _call(
        self, trace: _Trace, part: tuple[int, int], call: ModelCall, sample: Sample, within: tuple[int, int]
    ) -> int:
        """One call; returns when it ended. Ledgers of before do not say when: there it comes after the one before."""
        length = round(1e9 * (call.seconds + call.waited_seconds))
        ended = _nanoseconds(call.at) if call.at else min(within[0] + length, within[1])
        parent, own = trace.span_id(part[0]), trace.span_id(*part)
        attributes = of_call(call, sample, self._content)
        span = self._start(trace, f"chat {call.model}", own, parent, ended - length, attributes, SpanKind.CLIENT)
        self._end(span, call.error, ended)
        return ended

    def _start(
        self, trace: _Trace, name: str, span_id: int, parent: int, began: int, attributes: Attributes, kind: SpanKind
    ) -> Span:
        self._ids.trace_id, self._ids.span_id = trace.trace_id, span_id
        context = Context()
        if parent:
            of_parent = SpanContext(trace.trace_id, parent, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
            context = set_span_in_context(NonRecordingSpan(of_parent), context)
        return self._tracer.start_span(name, context, kind, attributes, start_time=began)

    def _end(self, span: Span, error: str, ended: int) -> None:
        if error:
            span.set_status(StatusCode.ERROR, error if self._content == "text" else None)
        span.end(ended)

    def _trace(self, event: Event, sample: Sample) -> _Trace:
        found = self._traces.get(sample.id)
        if found is None:
            first = event if sum(sample.attempts.values()) == 1 else self._first_event(sample.id)
            key = f"{sample.id} {first.at}"
            found = _Trace(trace_id=_number(key, 16), root_id=_number(f"root {key}", 8), begun=_times(first)[1])
            self._traces[sample.id] = found
        return found


def _times(event: Event) -> tuple[int, int]:
    """When an event ended and began, in nanoseconds since 1970."""
    ended = _nanoseconds(event.at)
    return ended, ended - round(1e9 * event.seconds)


def _nanoseconds(at: str) -> int:
    return round(1000 * datetime.fromisoformat(at).timestamp()) * 1_000_000


def _number(text: str, size: int) -> int:
    """So many bytes of a sha256, never 0, which stands for no id."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:size]) or 1
