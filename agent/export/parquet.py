"""Export as parquet: one row a pair, every metadata column, and the four files as {bytes, path}.

The schema is declared, never inferred: an axis that is null in a whole shard would otherwise become a column of type
null there, and a reader refuses shards whose schemas differ. It also carries the `datasets` features, so that the
files come as Video and Image.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Literal, Union, get_args, get_origin

from pydantic import JsonValue

from agent.export.snapshot import MEDIA, ExportPair, Snapshot
from memory.dataset import Record

if TYPE_CHECKING:
    import pyarrow

FEATURES = {"source": "Video", "edited": "Video", "key_frame_source": "Image", "key_frame_edited": "Image"}
ROW_GROUP_PAIRS = 10
"""The `datasets` library's own number for rows that hold videos: a reader holds one group in memory."""
ROW_GROUP_BYTES = 32 * 1024 * 1024
_PLAIN = {str: "string", int: "int64", float: "float64", bool: "bool"}


class ParquetFormat:
    """Shards for `datasets.load_dataset("parquet")`, pandas, DuckDB and others; one schema for all of them."""

    def __init__(self, snapshot: Snapshot) -> None:
        keys = {"scores": tuple(snapshot.axes), "models": tuple(snapshot.slots)}
        self._columns = {name: _column(name, field.annotation, keys) for name, field in Record.model_fields.items()}

    def name(self, split: str, number: int, total: int) -> str:
        """For example train-00000-of-00002.parquet, by which `datasets` knows the split."""
        return f"{split}-{number:05d}-of-{total:05d}.parquet"

    def write(self, path: Path, pairs: Iterable[ExportPair]) -> None:
        """Write pairs as one file. Nothing is compressed: nearly all of it is compressed media."""
        import pyarrow
        import pyarrow.parquet

        schema = self._schema()
        options = {"compression": "none", "use_dictionary": False, "write_statistics": list(Record.model_fields)}
        with path.open("wb") as file, pyarrow.parquet.ParquetWriter(file, schema, **options) as writer:
            for rows in _row_groups(pairs):
                writer.write_table(pyarrow.Table.from_pylist(rows, schema))

    def _schema(self) -> pyarrow.Schema:
        import pyarrow

        features: dict[str, JsonValue] = {name: {"_type": kind} for name, kind in FEATURES.items()}
        features |= {name: _feature(column) for name, column in self._columns.items()}
        file = pyarrow.struct({"bytes": pyarrow.binary(), "path": pyarrow.string()})
        fields = dict.fromkeys(FEATURES, file) | {name: _arrow(column) for name, column in self._columns.items()}
        return pyarrow.schema(fields).with_metadata({"huggingface": json.dumps({"info": {"features": features}})})


Column = str | dict[str, str]
"""A type's name, or those of a struct by key."""


def _column(name: str, annotation: object, keys: dict[str, tuple[str, ...]]) -> Column:
    """The column of a metadata field."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return "string"
    if origin in (Union, UnionType):  # a null is no type of its own: every column may hold one
        return _column(name, next(kind for kind in arguments if kind is not type(None)), keys)
    if origin is dict:
        value = _column(name, arguments[1], keys)
        assert isinstance(value, str)
        return dict.fromkeys(keys[name], value)
    if isinstance(annotation, type) and annotation in _PLAIN:
        return _PLAIN[annotation]
    raise TypeError(f"metadata field {name!r} is {annotation}; expected str, int, float, bool or a dict of them")


def _feature(column: Column) -> JsonValue:
    if isinstance(column, str):
        return {"dtype": column, "_type": "Value"}
    return {key: {"dtype": kind, "_type": "Value"} for key, kind in column.items()}


def _arrow(column: Column) -> pyarrow.DataType:
    import pyarrow

    if isinstance(column, str):
        return pyarrow.type_for_alias(column)
    return pyarrow.struct({key: pyarrow.type_for_alias(kind) for key, kind in column.items()})


def _row_groups(pairs: Iterable[ExportPair]) -> Iterator[list[dict[str, object]]]:
    rows: list[dict[str, object]] = []
    num_bytes = 0
    for pair in pairs:
        if rows and (len(rows) >= ROW_GROUP_PAIRS or num_bytes + pair.num_bytes > ROW_GROUP_BYTES):
            yield rows
            rows, num_bytes = [], 0
        rows.append(_row(pair))
        num_bytes += pair.num_bytes
    if rows:
        yield rows


def _row(pair: ExportPair) -> dict[str, object]:
    files = {
        name: {"bytes": content, "path": str(getattr(pair.record, MEDIA[name]))}
        for name, content in pair.read().items()
    }
    return files | pair.record.model_dump()
