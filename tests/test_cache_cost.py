"""What the cache of latents takes on disk, and the keys of what is in it: pure numbers."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ditto_models.gpu.buckets import Bucket
from ditto_models.train.cache_cost import bytes_of, cost_of, size
from ditto_models.train.tensor_cache import key_of
from tests.training_pairs import TALL, WIDE, a_pair

WORDS = st.lists(st.text('a",\0', max_size=3), max_size=3)
"""With what separates words in many a format."""


def test_the_sizes_of_the_usual_buckets_are_known() -> None:
    assert size(bytes_of(Bucket(frames=73, height=480, width=832), "bfloat16")) == "7.79 MB"
    assert size(bytes_of(Bucket(frames=101, height=720, width=1280), "bfloat16")) == "24.4 MB"
    assert bytes_of(WIDE, "float32") == bytes_of(TALL, "float32") == 2 * bytes_of(WIDE, "bfloat16")


def test_an_instruction_costs_once_and_a_pair_each_time(tmp_path: Path) -> None:
    one, other = a_pair("one"), a_pair("other")
    same = a_pair("same"), WIDE
    alone, two, three = (
        cost_of(pairs, 0, tmp_path, "bfloat16", 4096).total_bytes
        for pairs in ([(one, WIDE)], [(one, WIDE), (other, WIDE)], [(one, WIDE), (other, WIDE), same])
    )
    assert two - alone == bytes_of(WIDE, "bfloat16") + 4096 * 2 * (len(other.instruction) // 3 + 2)
    assert three > two
    again = cost_of([(one, WIDE), (one, TALL)], 0, tmp_path, "bfloat16", 4096).total_bytes
    assert cost_of([(one, WIDE)], 0.5, tmp_path, "bfloat16", 4096).missing_bytes == alone // 2
    assert again - alone == bytes_of(TALL, "bfloat16")


@given(WORDS, WORDS)
def test_only_the_same_words_have_the_same_key(one: list[str], other: list[str]) -> None:
    assert (key_of(*one) == key_of(*other)) == (one == other)
