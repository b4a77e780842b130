"""Lists of pairs as other programs write them."""

import csv
import json
from pathlib import Path

import pytest

from agent.judge.pair_list import list_pairs


@pytest.mark.parametrize(("separator", "encoding"), [(";", "utf-8-sig"), ("\t", "utf-8"), (",", "utf-16")])
def test_a_csv_of_a_spreadsheet_is_read_whatever_it_separates_with(
    tmp_path: Path, separator: str, encoding: str
) -> None:
    path = tmp_path / "list.csv"
    rows = (["source", "edited", "instruction"], ["a;b.mp4", "c,d.mp4", "Dim; then, wait"])
    with path.open("w", newline="", encoding=encoding) as file:
        csv.writer(file, delimiter=separator).writerows(rows)
    (row,) = list_pairs(path)
    assert row.files is not None
    assert (row.files.edited, row.instruction) == (tmp_path / "c,d.mp4", "Dim; then, wait")


@pytest.mark.parametrize(("given", "read"), [("5.0", 5), (5.0, 5), ("5", 5), ("5.5", None), (5.5, None), ("inf", None)])
def test_an_index_that_a_table_stored_as_a_decimal_is_that_frame(
    tmp_path: Path, given: object, read: int | None
) -> None:
    row = {"source": "a", "edited": "b", "instruction": "c", "key_frame": "k.png", "key_frame_index": given}
    path = tmp_path / "list.jsonl"
    path.write_text(json.dumps(row) + "\n")
    (listed,) = list_pairs(path)
    assert (listed.files.key_frame_index if listed.files else None) == read
