"""What pydantic finds wrong with a file, in sentences: where, what was got, what is allowed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any, get_origin

from pydantic import BaseModel, ValidationError

from carbon_data.refused import lowered
from experiments.scenario.patterns import ALLOWED
from experiments.scenario.where import Where


def explain(error: ValidationError, where: Where, model: type[BaseModel]) -> str:
    """One line for every wrong place of ``model``, also where several alternatives were tried."""
    found: dict[tuple[str | int, ...], list[str]] = {}
    for item in error.errors(include_url=False):
        location = tuple(part for part in item["loc"] if not _is_union_tag(part))
        found.setdefault(location, []).append(_sentence(item, location, model))
    return "\n".join(
        where.sentence(location, "; or: ".join(dict.fromkeys(sentences)) + _got(error, location))
        for location, sentences in found.items()
    )


def _got(error: ValidationError, location: tuple[str | int, ...]) -> str:
    """The value that was got, where it is one that fits a line."""
    for item in error.errors(include_url=False):
        if tuple(part for part in item["loc"] if not _is_union_tag(part)) != location:
            continue
        if item["type"] in ("extra_forbidden", "missing") or isinstance(item["input"], dict | list | tuple):
            return ""
        text = repr(item["input"])
        return f"; got {text if len(text) <= 80 else text[:77] + '...'}"
    return ""


def _is_union_tag(part: str | int) -> bool:
    """pydantic adds the tried member of a union to a location; people look for their own keys."""
    return isinstance(part, str) and (
        part.startswith(("literal[", "constrained-", "function-")) or part in _SCALARS
    )


_SCALARS = {"float", "int", "str", "bool"}


def _sentence(item: Any, location: tuple[str | int, ...], model: type[BaseModel]) -> str:
    kind = item["type"]
    if kind == "extra_forbidden":
        key, allowed = str(location[-1]), _allowed_keys(model, location[:-1])
        return f"unknown key; allowed here: {', '.join(allowed)}" + (
            _homes(key, model) or _nearest(key, allowed)
        )
    if kind == "missing":
        tables = "; give at least one table [[nodes]] with a zone" if location == ("nodes",) else "; give it"
        return f"is missing and has no default{tables}"
    if kind == "string_pattern_mismatch":
        return f"allowed: {ALLOWED[item['ctx']['pattern']]}"
    if kind == "value_error":
        return str(item["ctx"]["error"])
    if kind in ("model_type", "model_attributes_type"):
        return f"should be a table; keys allowed in it: {', '.join(_allowed_keys(model, location))}"
    if kind == "dict_type":
        name = f"[{_dotted(location)}.NAME]"
        if _table_at(model, location) is None:
            return "should be a table of values by name"
        return f"should be a table of tables, {name}; keys allowed in one: " + ", ".join(
            _allowed_keys(model, location)
        )
    if kind in ("tuple_type", "list_type"):
        return (
            f"should be a list of tables, [[{_dotted(location)}]] for each; keys allowed in one: "
            + ", ".join(_allowed_keys(model, location))
        )
    return lowered(str(item["msg"]))


def _dotted(location: tuple[str | int, ...]) -> str:
    return ".".join(part for part in location if isinstance(part, str))


def _homes(key: str, model: type[BaseModel]) -> str:
    """Tables of ``model`` in which an unknown key is known, for a key that stands in the wrong one."""
    found = [place for place, table in _tables(model) if key in table.model_fields]
    return f"; {key} is a key of {' and '.join(found)}" if found else ""


def _nearest(key: str, allowed: Iterable[str]) -> str:
    """The allowed key that looks most like ``key``, if one does."""
    near = get_close_matches(key, list(allowed), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _tables(model: type[BaseModel], place: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    """Every table below ``model`` and its header in a file."""
    for name, field in model.model_fields.items():
        if (inner := _model_in(field.annotation)) is not None:
            header = f"[{place}{name}]"
            yield f"[{header}]" if get_origin(field.annotation) is tuple else header, inner
            yield from _tables(inner, f"{place}{name}.")


def _allowed_keys(model: type[BaseModel], table: tuple[str | int, ...]) -> list[str]:
    """Keys of the table that ``table`` leads to from ``model``."""
    return sorted((_table_at(model, table) or model).model_fields)


def _table_at(model: type[BaseModel], table: tuple[str | int, ...]) -> type[BaseModel] | None:
    """The table that ``table`` leads to from ``model``; None where a part of it is no table."""
    found: type[BaseModel] | None = model
    for part in table:
        if isinstance(part, str) and found is not None and part in found.model_fields:
            found = _model_in(found.model_fields[part].annotation)
    return found


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        if (found := _model_in(inner)) is not None:
            return found
    return None
