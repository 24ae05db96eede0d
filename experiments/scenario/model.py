"""The declared experiment: one validated TOML file.

Everything a run depends on is in here or in the data it names. Unknown keys, wrong types, NaN, negative
capacities and impossible caps are refused with the line and what is allowed; zones and data are checked in
``resolve``, which names the line as well (``Scenario.at``).
"""

from __future__ import annotations

import tomllib
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import (
    BeforeValidator,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from carbon_data.utf8 import not_utf8
from edge_node.tasks.none import LANGUAGE, WITHOUT_TASK
from experiments.errors import UsageError
from experiments.scenario.app_rounds import rounds_of, slots_of_a_round
from experiments.scenario.given import Given, keys_of
from experiments.scenario.keys import MAX_NODES, MAX_SEED, Strict
from experiments.scenario.patterns import NAME
from experiments.scenario.places import BatterySpec, BoardSpec, DemandSpec, HarvestSpec, NodeSpec
from experiments.scenario.refusals import explain
from experiments.scenario.signals import AccountingSpec, ForecastSpec, IntensitySpec
from experiments.scenario.system import (
    CoordinatorSpec,
    FleetSpec,
    LimitsSpec,
    NetworkSpec,
    ToleranceSpec,
    TreeSpec,
)
from experiments.scenario.training import TrainingSpec
from experiments.scenario.where import NOWHERE, Where
from experiments.scenario.work import InferenceSpec, StagesSpec, TaskSpec, TimeSpec

GPU_METER = "nvml"
"""Meter of nodes that compute on an NVIDIA GPU."""
MAX_FILE_BYTES = 1_000_000
"""Larger files are refused without being read: a scenario has a page or two, and /dev/zero never ends."""


def _single_or_list(value: Any) -> Any:
    value = [value] if isinstance(value, dict) else value
    if not isinstance(value, list | tuple) or not value:
        raise ValueError('needs at least one [[nodes]] table, e.g. [[nodes]] with zone = "FR"')
    return tuple(value)


_Table = TypeVar("_Table", bound=Strict)
INHERITED = (("harvest", "kind"), ("battery", None), ("board", "profile"), ("demand", "kind"))
"""Tables of a node that inherit from the scenario's, and the key that says whether they do."""


def _inherit(own: _Table, general: _Table, decisive: str | None) -> _Table:
    """``own`` with omitted keys taken from ``general``; unchanged where it has another value of ``decisive``."""
    given = own.model_fields_set
    if decisive in given and getattr(own, decisive) != getattr(general, decisive):
        return own
    return general.model_copy(update={name: getattr(own, name) for name in given})


class Scenario(Strict):
    """A whole experiment."""

    name: str = Field(default="scenario", pattern=NAME)
    """Name of runs, folders and reports."""
    policy: str = "deta"
    """A name of `detabed list policies`, or `package.module:Name`."""
    policy_options: dict[str, str | int | float | bool] = Field(default={})
    """Arguments of the policy."""
    seed: int = Field(default=0, ge=0, le=MAX_SEED)
    """Seed for data partition, initial weights, clouds, arrivals and policies."""
    time: TimeSpec = TimeSpec()
    stages: StagesSpec = StagesSpec()
    task: TaskSpec = TaskSpec()
    training: TrainingSpec = TrainingSpec()
    inference: InferenceSpec = InferenceSpec()
    demand: DemandSpec = DemandSpec()
    limits: LimitsSpec = LimitsSpec()
    network: NetworkSpec = NetworkSpec()
    intensity: IntensitySpec = IntensitySpec()
    accounting: AccountingSpec = AccountingSpec()
    forecast: ForecastSpec = ForecastSpec()
    harvest: HarvestSpec = HarvestSpec()
    battery: BatterySpec = BatterySpec()
    board: BoardSpec = BoardSpec()
    coordinator: CoordinatorSpec = CoordinatorSpec()
    fleet: FleetSpec = FleetSpec()
    tolerance: ToleranceSpec = ToleranceSpec()
    tree: TreeSpec = TreeSpec()
    nodes: Annotated[tuple[NodeSpec, ...], BeforeValidator(_single_or_list)]
    _where: Where = PrivateAttr(NOWHERE)
    _given: Given = PrivateAttr(Given())

    @model_validator(mode="after")
    def _services_are_told_apart(self) -> Scenario:
        if any(service.label == self.task.name for service in self.inference.services):
            raise ValueError(
                f"a service of [[inference.services]] is called {self.task.name}, like the learned task: give it "
                "another name"
            )
        return self

    @model_validator(mode="after")
    def _rows_have_no_clock(self) -> Scenario:
        if self.time.clock == "wall" and self.fleet.kind == "virtual":
            raise ValueError(
                'time.clock = "wall" needs nodes that work in real time, and with fleet.kind = "virtual" they are rows '
                'of arrays; give fleet.kind = "inprocess", "ray" or "daemons", or time.clock = "virtual"'
            )
        return self

    @model_validator(mode="after")
    def _measured_energy_needs_real_time(self) -> Scenario:
        for key in ("harvest_meter", "battery_meter"):
            measured = [spec for node in self.nodes if (spec := getattr(node, key))]
            if measured and self.time.clock != "wall":
                raise ValueError(
                    f'{key} {measured[0]!r} measures in real time, and time.clock is "virtual"; give time.clock = '
                    f'"wall", or leave {key} out'
                )
        return self

    @field_validator("nodes")
    @classmethod
    def _not_too_many(cls, nodes: tuple[NodeSpec, ...]) -> tuple[NodeSpec, ...]:
        if (total := sum(node.count for node in nodes)) > MAX_NODES:
            raise ValueError(f"{total} nodes in one scenario; allowed are up to {MAX_NODES}")
        return nodes

    @model_validator(mode="after")
    def _without_learning(self) -> Scenario:
        """Stages that are not named have no slots where nothing is learned or served; a Flower project that says how
        many rounds it has, in its usual place, has slots of development for them."""
        given = self.stages.model_fields_set
        if self.task.name == LANGUAGE:
            none = {name: 0 for name in ("preparation", "development", "recycling") if name not in given}
            object.__setattr__(self, "stages", self.stages.model_copy(update=none))  # the model is frozen
        elif self.task.name in WITHOUT_TASK:
            none = {name: 0 for name in ("preparation", "application", "recycling") if name not in given}
            rounds = None if "development" in given else rounds_of(self.task.app, self.task.run_config)
            if rounds is not None:
                none["development"] = rounds * slots_of_a_round(self.task.app, self.limits.deadline_slots)
            object.__setattr__(self, "stages", self.stages.model_copy(update=none))  # the model is frozen
        return self

    @model_validator(mode="after")
    def _nodes_inherit(self) -> Scenario:
        """Nodes whose own tables inherit omitted keys from the scenario's table of that name; a node with another board
        or another kind of harvest inherits nothing."""
        merged = tuple(
            node.model_copy(
                update={
                    name: _inherit(own, getattr(self, name), decisive)
                    for name, decisive in INHERITED
                    if (own := getattr(node, name)) is not None
                }
            )
            for node in self.nodes
        )
        object.__setattr__(self, "nodes", merged)  # the model is frozen
        return self

    @model_validator(mode="after")
    def _gpus_are_metered(self) -> Scenario:
        """Nodes with an NVIDIA GPU read its counter unless a meter is given. Rows have no hardware."""
        if "meter" in self.fleet.model_fields_set or self.fleet.kind == "virtual":
            return self
        metered = tuple(
            node.model_copy(update={"meter": GPU_METER})
            if node.meter is None and (node.device or self.task.device) == "cuda"
            else node
            for node in self.nodes
        )
        object.__setattr__(self, "nodes", metered)  # the model is frozen
        return self

    @model_validator(mode="wrap")
    @classmethod
    def _in_sentences(
        cls, given: Any, validated: ModelWrapValidatorHandler[Scenario], info: ValidationInfo
    ) -> Scenario:
        """Raises UsageError for what is wrong in a file (``where`` of the context) or was written in Python."""
        try:
            scenario = validated(given)
        except ValidationError as error:
            where = (info.context or {}).get("where", NOWHERE)
            raise UsageError(explain(error, where, Scenario)) from None
        if isinstance(given, dict):
            scenario._given = Given(given, (info.context or {}).get("folder"))
        return scenario

    @property
    def folder(self) -> Path | None:
        """From which its relative paths counted; None: the working directory."""
        return self._given.folder

    def as_given(self) -> dict[str, Any] | None:
        """Its keys as they were given (experiments.scenario.given)."""
        return keys_of(self._given, self)

    def at(self, *location: str | int) -> AbstractContextManager[None]:
        """Context in which errors become UsageError with the file, the line and the key at ``location``."""
        return self._where.at(location)

    @property
    def node_count(self) -> int:
        return sum(node.count for node in self.nodes)


def load_scenario(path: Path) -> Scenario:
    """Read and validate a scenario file. Raises UsageError with file, line, what was got and what is allowed."""
    try:
        if not path.exists():
            raise UsageError(f"{path}: no such file; `detabed init {path}` writes a commented starter")
        if not path.is_file():
            raise UsageError(
                f"{path}: a folder or a device; give a scenario file (TOML), or a packaged one's name"
            )
        if (size := path.stat().st_size) > MAX_FILE_BYTES:
            raise UsageError(f"{path}: {size} bytes; a scenario file has at most {MAX_FILE_BYTES}")
        text = path.read_text(encoding="utf-8-sig")  # some editors write its mark before the text
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} {not_utf8(error)}") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from None
    return parse_scenario(text, str(path), folder=path.absolute().parent)


def parse_scenario(text: str, name: str = "scenario", folder: Path | None = None) -> Scenario:
    """Validate scenario text. ``name``: its name in messages; ``folder``: base of relative paths (None: the working
    directory)."""
    try:
        raw = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # TOMLDecodeError is one; so is a number of 5,000 digits
        raise UsageError(f"{name}: not valid TOML: {error}") from None
    where = Where.of(name, text)
    scenario = Scenario.model_validate(raw, context={"folder": folder, "where": where})
    scenario._where = where
    return scenario
