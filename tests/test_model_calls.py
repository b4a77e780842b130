"""What the ledger keeps of calls to served models: the exact request, put together again from its parts."""

import base64
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from agent.inspect.calls import print_calls
from agent.model_calls import RequestLost, exact_request, keep_call
from ditto_models.call_log import ChatCall, record, recording
from memory.artifacts import ArtifactStore
from memory.sample import Event


def call(request: bytes, answer: bytes = b"") -> ChatCall:
    return ChatCall(
        purpose="planner",
        prompt_hash="aa",
        model="m",
        server="http://127.0.0.1:1/v1",
        request=request,
        answer=answer,
        status=200,
        prompt_tokens=3,
        answer_tokens=4,
        seconds=0.5,
        waited_seconds=0.0,
    )


def body(*pictures: str, text: str = "look") -> bytes:
    parts = [{"type": "text", "text": text}, *({"type": "image_url", "image_url": {"url": url}} for url in pictures)]
    return json.dumps({"messages": [{"role": "user", "content": parts}]}).encode()


def inline(kind: str, *frames: bytes) -> str:
    return f"data:{kind};base64,{','.join(base64.b64encode(frame).decode() for frame in frames)}"


def test_a_request_comes_back_byte_for_byte_and_its_pictures_are_stored_once(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    first, second = bytes(range(256)) * 40, b"second" * 999
    sent = body(inline("image/png", first), inline("video/jpeg", first, second), inline("image/png", first))
    kept = keep_call(call(sent), store, with_request=True)
    assert exact_request(kept, store) == sent
    assert len(kept.pictures) == 4
    assert len(set(kept.pictures)) == 3  # the same bytes as PNG and as JPEG are two files
    assert store.path(kept.request).stat().st_size < 1000


@given(text=st.text(), picture=st.binary(max_size=40))
def test_no_words_in_a_request_can_spoil_it(
    tmp_path_factory: pytest.TempPathFactory, text: str, picture: bytes
) -> None:
    store = ArtifactStore(tmp_path_factory.mktemp("store"))
    sent = body(inline("image/png", picture), text=text)
    assert exact_request(keep_call(call(sent), store, with_request=True), store) == sent


@pytest.mark.parametrize(
    "odd", ["data:image/png;base64,QQ", "data:image/png;base64,QR==", "data:image/gif;base64,QQ=="]
)
def test_pictures_that_would_not_come_back_stay_where_they_are(tmp_path: Path, odd: str) -> None:
    store = ArtifactStore(tmp_path)
    kept = keep_call(call(body(odd)), store, with_request=True)
    assert not kept.pictures
    assert exact_request(kept, store) == body(odd)


def test_a_request_that_names_another_file_is_not_taken_for_what_was_sent(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    other = store.put(b"secret", ".png")
    kept = keep_call(call(body(f"data:image/png;artifacts,{other}")), store, with_request=True)
    with pytest.raises(RequestLost, match="sha256"):
        exact_request(kept, store)


def test_a_request_that_was_not_kept_or_is_gone_says_so(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    unkept = keep_call(call(body()), store, with_request=False)
    assert not unkept.request
    assert unkept.request_sha256
    with pytest.raises(RequestLost, match="not kept"):
        exact_request(unkept, store)
    gone = keep_call(call(body(inline("image/png", b"one"))), store, with_request=True)
    store.path(gone.pictures[0]).unlink()
    with pytest.raises(RequestLost, match="missing"):
        exact_request(gone, store)


def test_the_trace_shows_what_was_called_or_said_and_cuts_what_is_long(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)

    def shown(answer: bytes) -> str:
        return keep_call(call(b"{}", answer), store, with_request=False).answer

    function = {"function": {"name": "reject", "arguments": '{"reason": "x"}'}}
    called = {"choices": [{"message": {"content": None, "tool_calls": [function]}}]}
    assert shown(json.dumps(called).encode()) == 'reject({"reason": "x"})'
    assert shown(b'{"choices": [{"message": {"content": "a\\u0000b"}}]}') == "a\\x00b"
    assert shown(b"<html>busy</html>") == "<html>busy</html>"
    assert len(shown(b"x" * 200_000)) < 5000


def test_a_model_whose_name_looks_like_an_order_to_the_terminal_is_shown_as_it_is(tmp_path: Path) -> None:
    kept = keep_call(call(b"{}"), ArtifactStore(tmp_path), with_request=False)
    odd = kept.model_copy(update={"model": "[/bold]\x1b[2J[red]m", "purpose": "[/x]"})
    said = io.StringIO()
    event = Event(
        sample_id="s",
        stage="new",
        next_stage="clip",
        tool="sample_clip",
        arguments={},
        result={},
        seconds=0,
        attempt=1,
        by="policy",
        calls=[odd],
    )
    print_calls(Console(file=said, width=200), [event])
    assert "[/bold]\\x1b[2J[red]m" in said.getvalue()
    assert "[/x]" in said.getvalue()


def test_calls_are_recorded_where_somebody_listens_and_apart() -> None:
    record(call(b"nobody listens"))
    with recording() as outer:
        record(call(b"1"))
        with recording() as inner:
            record(call(b"2"))
        record(call(b"3"))
    assert [one.request for one in outer] == [b"1", b"3"]
    assert [one.request for one in inner] == [b"2"]
