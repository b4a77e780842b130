"""Settings of a profile or a recipe: YAML that may extend another, `key.path=value` overrides, errors in one line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from ditto_models.yaml_text import from_yaml


class SettingsError(ValueError):
    """Settings that cannot be used; the message says which key, what was expected, what to do."""


MayBeBegun = Callable[[Sequence[str], int], bool]
"""Whether the section before name `number` of an override's names may be begun where the file has none."""


def read_settings(name: str, folder: Path, what: str, before: tuple[Path, ...] = ()) -> tuple[dict[str, object], Path]:
    """The values of FOLDER/NAME.yaml, or of a path to a YAML file, over those of the file that it `extends`.

    `what` is what messages call it, for example "profile".

    Raises:
        SettingsError: there is no such file, it is not YAML, or it extends itself.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else folder / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(found.stem for found in folder.glob("*.yaml")))
        raise SettingsError(f"{what} {name!r} not found; expected one of {known}, or a path to a .yaml file")
    if path.resolve() in before:
        raise SettingsError(f"{what} {str(path)!r} extends itself; expected a chain that ends")
    try:
        values = _unshared(from_yaml(path.read_text()))
    except RecursionError:
        raise SettingsError(f"{what} {str(path)!r} holds itself by a YAML alias; expected values that end") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"{what} {str(path)!r} is not YAML: {_one_line(error)}") from error
    if isinstance(values, dict) and "extends" in values:
        extended = str(values.pop("extends"))
        beside = path.parent / extended  # as its author sees it; else from where the command runs
        is_beside = extended.endswith((".yaml", ".yml")) and beside.is_file()
        base, _ = read_settings(str(beside) if is_beside else extended, folder, what, (*before, path.resolve()))
        values = _over(base, values)
    return values, path


def override(
    values: dict[str, object],
    text: str,
    what: str,
    example: str,
    may_be_begun: MayBeBegun = lambda names, number: True,
) -> None:
    """Set one value, given as `key.path=value` with a value in YAML; messages show `example`.

    Raises:
        SettingsError: it is no such text, or there is no such section.
    """
    path, equals, value = text.partition("=")
    if not equals:
        raise SettingsError(f"override {text!r} has no '='; expected key.path=value, e.g. {example}")
    *parents, last = path.split(".")
    if not last:
        raise SettingsError(f"override {text!r} names no key; expected key.path=value")
    place: object = values
    for number, parent in enumerate(parents):
        if isinstance(place, dict) and may_be_begun(parents, number):
            place.setdefault(parent, {})
        place = place.get(parent) if isinstance(place, dict) else None
    if not isinstance(place, dict):
        raise SettingsError(f"override {text!r}: the {what} has no section {'.'.join(parents)!r}")
    try:
        place[last] = from_yaml(value)
    except yaml.YAMLError as error:
        raise SettingsError(f"override {text!r}: its value is not YAML: {_one_line(error)}") from error


def first_problem(error: ValidationError) -> str:
    """The first thing that is wrong, in one line."""
    item = error.errors(include_url=False)[0]
    place = ".".join(map(str, item["loc"])) or "the whole of it"
    if item["type"] == "value_error":  # our own words, which say what was given, or keep a password to themselves
        return f"{place}: {item['ctx']['error']}"
    got = repr(item["input"])
    got = got if len(got) <= 80 else got[:80] + "..."
    if item["type"] == "extra_forbidden":
        return f"{place}: there is no setting of this name; mend the name, or leave it out (its value is {got})"
    if item["type"] in ("model_type", "dict_type"):
        return f"{place}: expected settings, as `name: value` each, got {got}"
    if item["type"] in ("tuple_type", "list_type"):
        return f"{place}: expected a list, for example [a, b], got {got}"
    return f"{place}: {item['msg']}, got {got}"


def _unshared(value: Any) -> Any:
    """The same values, each in its own place: an override of one must not change what a YAML alias says elsewhere."""
    if isinstance(value, dict):
        return {key: _unshared(item) for key, item in value.items()}
    return [_unshared(item) for item in value] if isinstance(value, list) else value


def _over(base: dict[str, object], own: Mapping[str, object]) -> dict[str, object]:
    """Own values over those of a base; what has a kind is replaced whole, since its settings are those of its kind."""
    merged = dict(base)
    for key, value in own.items():
        below = merged.get(key)
        section = isinstance(value, dict) and isinstance(below, dict) and "kind" not in value
        merged[key] = _over(below, value) if section else value  # type: ignore[arg-type]
    return merged


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
