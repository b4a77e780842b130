"""Which call which worker gets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ditto_models.executors.line import MOST_OVERTAKEN, Call, Line
from ditto_models.executors.parcels import Parcel


class Seat:
    """A worker, as the line sees it."""

    def __init__(self, *loaded: str) -> None:
        self.loaded = frozenset(loaded)


def line_of(keys: str) -> Line[Seat]:
    line: Line[Seat] = Line(100)
    for key in keys:
        assert line.enter().done()
        line.append(Call(key=key, parcel=Parcel(key)))
    return line


def taken(line: Line[Seat], seat: Seat) -> str:
    call = line.take(seat)
    assert call is not None
    return call.key


def test_a_warm_network_goes_first_and_a_cold_one_is_not_overtaken_for_ever() -> None:
    line, seat = line_of("b" + "a" * 10), Seat("a")
    assert [taken(line, seat) for _ in range(6)] == ["a"] * MOST_OVERTAKEN + ["b", "a"]


@given(st.text("abc", min_size=1, max_size=12))
def test_every_call_is_taken_once_and_those_of_one_network_in_order(keys: str) -> None:
    line, seat = line_of(keys), Seat("b")
    assert sorted(taken(line, seat) for _ in keys) == sorted(keys)
