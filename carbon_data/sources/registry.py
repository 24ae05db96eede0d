"""Registry of sources by name: one line per source; ``package.module:Name`` needs none."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Mapping
from functools import lru_cache
from typing import Any, get_type_hints

from pydantic import ConfigDict, PydanticSchemaGenerationError, TypeAdapter, ValidationError

from carbon_data.own_code import named
from carbon_data.sources.base import HarvestSource, IntensitySource
from carbon_data.sources.constant import ConstantHarvest, ConstantIntensity
from carbon_data.sources.electricity_maps import ElectricityMaps
from carbon_data.sources.generation import GenerationAverage
from carbon_data.sources.harvest_trace import HarvestTrace, eia_2022
from carbon_data.sources.marginal import GenerationMarginal
from carbon_data.sources.profiles import PackagedProfiles
from carbon_data.sources.pv import pv_harvest
from carbon_data.sources.recorded import RecordedIntensity
from carbon_data.sources.traces import eia_production_2022, em_2021_2024, em_lca_2022, trace_intensity
from carbon_data.sources.uk_carbon_intensity import UkCarbonIntensity
from carbon_data.types import DataError

INTENSITY_SOURCES: dict[str, Callable[..., IntensitySource]] = {
    "profiles": PackagedProfiles,
    "constant": ConstantIntensity,
    "trace": trace_intensity,
    "em-lca-2022": em_lca_2022,
    "em-2021-2024": em_2021_2024,
    "eia-production-2022": eia_production_2022,
    "generation-average": GenerationAverage,
    "generation-marginal": GenerationMarginal,
    "electricity-maps": ElectricityMaps,
    "uk-carbon-intensity": UkCarbonIntensity,
    "recorded": RecordedIntensity,
}

HARVEST_SOURCES: dict[str, Callable[..., HarvestSource]] = {
    "constant": ConstantHarvest,
    "pv": pv_harvest,
    "trace": HarvestTrace,
    "eia-2022": eia_2022,
}


def intensity_source(name: str, **options: Any) -> IntensitySource:
    """The intensity source called ``name``, or ``package.module:Name``, made with ``options``.

    Raises DataError for an unknown name, options it does not take, or an object that is not an
    IntensitySource.
    """
    return _make(name, options, INTENSITY_SOURCES, "intensity source", ("zones", "series"))  # type: ignore[no-any-return]


def harvest_source(name: str, **options: Any) -> HarvestSource:
    """The harvest source called ``name``, or ``package.module:Name``, made with ``options``."""
    return _make(name, options, HARVEST_SOURCES, "harvest source", ("series",))  # type: ignore[no-any-return]


def describe(registry: Mapping[str, Callable[..., Any]]) -> dict[str, str]:
    """Name and first docstring paragraph of every entry, for ``detabed list sources``."""
    texts = {name: inspect.getdoc(factory) or "" for name, factory in registry.items()}
    return {name: " ".join(text.partition("\n\n")[0].split()) for name, text in texts.items()}


def options_of(factory: Callable[..., Any]) -> dict[str, str]:
    """Options of a factory and their type or default, as text."""
    return {name: str(parameter) for name, parameter in inspect.signature(factory).parameters.items()}


def _make(
    name: str,
    options: Mapping[str, Any],
    registry: Mapping[str, Callable[..., Any]],
    kind: str,
    methods: tuple[str, ...],
) -> Any:
    factory = named(name, registry, kind, DataError)
    if not callable(factory):
        raise DataError(f"{name} is a {type(factory).__name__}, not something that makes a {kind}")
    try:
        signature = inspect.signature(factory)
    except ValueError:
        raise DataError(f"{name} is a builtin whose options are unknown: it is no {kind}") from None
    _refuse_other_options(signature, options, f"{kind} {name!r}")
    _refuse_wrong_types(factory, options, f"{kind} {name!r}")
    source = factory(**options)
    lacks = [method for method in methods if not callable(getattr(source, method, None))]
    if lacks:
        raise DataError(
            f"{name} makes a {type(source).__name__} without {', '.join(lacks)}(): it is no {kind}"
        )
    return source


def _refuse_other_options(signature: inspect.Signature, options: Mapping[str, Any], what: str) -> None:
    """Raise DataError for options that the factory does not take, or needs and did not get."""
    takes = f"its options are {', '.join(signature.parameters) or 'none'}"
    required = [
        name
        for name, parameter in signature.parameters.items()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    if missing := [name for name in required if name not in options]:
        got = ", ".join(options) or "none"
        raise DataError(
            f"{what} needs {' and '.join(missing)}, got {got}; give {' and '.join(missing)}; {takes}"
        )
    try:
        signature.bind(**options)
    except TypeError as error:
        raise DataError(f"{what}: {error}; {takes}") from None


def _refuse_wrong_types(factory: Callable[..., Any], options: Mapping[str, Any], what: str) -> None:
    """Raise DataError for an option whose value is of another type than the factory is annotated with."""
    check = _kept_check if isinstance(factory, Hashable) else _check
    for key, value in options.items():
        allowed, adapter = check(factory, key)
        if adapter is None:
            continue
        if not (
            _is_a(adapter, value, strict=True) or (isinstance(value, str) and _is_text_for(adapter, value))
        ):
            raise DataError(f"{what}: {key} is {value!r}; allowed is {allowed}")


def _check(factory: Callable[..., Any], key: str) -> tuple[str, TypeAdapter[Any] | None]:
    """What an option of ``factory`` may be, in words and to check it; None: it does not say."""
    try:
        hints = get_type_hints(getattr(factory, "__init__") if isinstance(factory, type) else factory)  # noqa: B009
    except (NameError, TypeError):
        return "", None  # the user's own, annotated with what is not there: its own code says what it takes
    if key not in hints:
        return "", None
    try:
        adapter = TypeAdapter(hints[key], config=ConfigDict(arbitrary_types_allowed=True))
    except PydanticSchemaGenerationError:
        return "", None
    return inspect.formatannotation(hints[key]).replace("NoneType", "None"), adapter


_kept_check = lru_cache(maxsize=256)(_check)
"""A thousand nodes have sources of one kind."""


def _is_a(adapter: TypeAdapter[Any], value: Any, *, strict: bool) -> bool:
    try:
        adapter.validate_python(value, strict=strict)
    except ValidationError:
        return False
    return True


def _is_text_for(adapter: TypeAdapter[Any], text: str) -> bool:
    """Whether ``text`` writes such a value, e.g. a path or a name; a number is not written as text."""
    return _is_a(adapter, text, strict=False) and not isinstance(adapter.validate_python(text), int | float)
