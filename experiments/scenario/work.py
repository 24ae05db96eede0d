"""Time, stages, the learned task and the load of services."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    field_validator,
    model_validator,
)

from edge_node.config import (
    Batching,
    Between,
    Device,
    InferenceConfig,
    LanguageConfig,
    ServiceConfig,
    TaskConfig,
)
from edge_node.tasks.none import APP
from experiments.scenario.keys import MAX_SLOTS, YEAR_S, File, Fraction, Strict, as_tuple, default_of
from experiments.scenario.objects import ObjectName
from experiments.scenario.patterns import NAME, SHA256
from experiments.scenario.privacy import PrivacySpec
from protos.messages.terms import Stage


class TimeSpec(Strict):
    """Physical length of a slot, and the time by which the traces advance in a slot."""

    start: datetime = datetime(2022, 6, 21, tzinfo=UTC)
    """First interval of the traces; an aware time, e.g. 2022-06-21T00:00:00Z."""
    trace_step_s: float = Field(default=3600.0, ge=1, le=YEAR_S)
    """Time by which the traces of grid intensity and harvest advance per slot."""
    slot_s: Literal["auto"] | Annotated[float, Field(gt=0, le=YEAR_S)] = "auto"
    """Physical length of a slot; ``auto``: twice the mean busy time of a node in the busiest stage, and long
    enough for the busiest node; without learning, trace_step_s."""
    clock: Literal["virtual", "wall"] = "virtual"
    """`virtual`: a slot ends when its work is done and counts as `slot_s`; `wall`: it lasts `slot_s` of real time, and
    meters, harvest, batteries and work share the duration that was measured (docs/wall-clock.md)."""
    overrun: Literal["stretch", "skip", "cut"] = "stretch"
    """With `clock = "wall"`, what becomes of a slot whose work takes longer. `stretch`: it lasts until the work is
    done, and later slots move; `skip`: likewise, and slots whose time went by are missed; `cut`: it ends on time, and
    work that is not done is left undone."""
    scale_storage: bool = True
    """Multiply battery capacities by slot_s / trace_step_s, so that a battery lasts as many hours of the replayed
    day as it would in real time."""

    @field_validator("start", mode="before")
    @classmethod
    def _aware(cls, value: Any) -> Any:
        if not isinstance(value, datetime) or value.tzinfo is None:
            raise ValueError("needs date, time and time zone, without quotes: e.g. 2022-06-21T00:00:00Z")
        return value


class StagesSpec(Strict):
    """Slots of each life-cycle stage, in this order."""

    preparation: int = Field(default=1, ge=0, le=MAX_SLOTS)
    """Receiving and preprocessing data."""
    development: int = Field(default=15, ge=0, le=MAX_SLOTS)
    """Training; one federated round per slot."""
    application: int = Field(default=6, ge=0, le=MAX_SLOTS)
    """Serving requests with the trained model."""
    recycling: int = Field(default=2, ge=0, le=MAX_SLOTS)
    """Transfer of the trained model to a second task."""

    @model_validator(mode="after")
    def _something_to_do(self) -> StagesSpec:
        total = self.preparation + self.development + self.application + self.recycling
        if not 1 <= total <= MAX_SLOTS:
            raise ValueError(f"{total} slots in all; allowed are 1 to {MAX_SLOTS}")
        return self

    def slots(self) -> tuple[Stage, ...]:
        """Stage of every slot of the run."""
        return tuple(
            stage
            for stage in (Stage.PREPARATION, Stage.DEVELOPMENT, Stage.APPLICATION, Stage.RECYCLING)
            for _ in range(getattr(self, stage.value))
        )


class RecyclingSpec(Strict):
    """The second task to which the finished model is transferred."""

    data: str | None = None
    """Data set of the second task; none: the task's own choice, e.g. the same images inverted."""
    learning_rate: float | None = Field(default=None, gt=0, le=1e6)
    """Step of the second task's training; none: the first task's."""


class ConversationsSpec(Strict):
    """``[task.llm.conversations]``: users who ask the language model several times, each time with all that was said
    before, and move between nodes. With ``inference.arrivals = "conversations"`` (docs/language-models.md)."""

    users: int | None = Field(default=None, ge=1, le=1000)
    """That begin at each node, with one conversation each; none: 1, or as a trace says."""
    turns: int | None = Field(default=None, ge=1, le=1000)
    """Of every conversation; none: 4, or as a trace says."""
    every_slots: int = Field(default=1, ge=1, le=MAX_SLOTS)
    """Slots from one turn of a conversation to the next."""
    message_tokens: int = Field(default=32, ge=1, le=1_000_000)
    """Of each message after a conversation's first one, which has inference.prompt_tokens."""
    move_probability: Fraction = 0.5
    """That a user is at another node with a turn than with the turn before; every other node is as likely."""
    path: File | None = None
    """Trace of users, in place of users, turns, every_slots and move_probability: a CSV with user, slot (of the
    application stage, from 0) and node_id, a row for each turn."""

    @model_validator(mode="after")
    def _trace_or_drawn(self) -> ConversationsSpec:
        drawn = [name for name in DRAWN if getattr(self, name) != type(self).model_fields[name].default]
        if self.path is not None and drawn:
            raise ValueError(f"path says where users are; {drawn[0]} has no effect beside it, remove it")
        return self


DRAWN = ("users", "turns", "every_slots", "move_probability")
"""Keys of conversations that are drawn, and not of a trace."""


class LanguageSpec(Strict):
    """``[task.llm]``: the language model that nodes serve with ``name = "llm"``, each in a server process of its
    own."""

    path: File | None = None
    """File of the model (GGUF); none: SmolLM2-135M-Instruct in Q4_1 (`detabed data fetch smollm2-135m`). Boards that
    joined look for it under the same path."""
    sha256: str | None = Field(default=None, pattern=SHA256)
    """That the file must have; none: what it has here, which nodes on other machines must then find too."""
    context_tokens: int = Field(default=default_of(LanguageConfig, "context_tokens"), ge=256, le=1_000_000)
    """Longest prompt and answer together; memory grows with it."""
    costs: File | None = None
    """What tokens cost on the nodes' boards, as `detabed calibrate --task llm` wrote it: policies plan with it; none:
    with operations counted from the model's shape, at the board's speed in training."""
    threads: int = Field(default=default_of(LanguageConfig, "threads"), ge=1, le=1024)
    """Of the server. A second thread decodes no faster on small machines, and its waiting counts as CPU time."""
    conversations: ConversationsSpec | None = None
    """Users who ask several times and move between nodes; none: each request stands alone."""
    at_once: int = Field(default=default_of(LanguageConfig, "at_once"), ge=1, le=64)
    """Requests of a batch that a server answers at the same time, in as many slots: a step of writing then gives a
    token to each. Memory of the context grows with it. 1: one after the other."""


class TaskSpec(Strict):
    """The learned task, its data, and the unit of work."""

    app: File | None = None
    """Folder of a Flower project (a `pyproject.toml` with `[tool.flwr.app]`, as `flwr new` writes it), in place of
    ``name``: its ServerApp and ClientApp run unchanged, one round in limits.deadline_slots + 1 slots of development."""
    client_app: ObjectName | None = None
    """A ClientApp as `package.module:name`, in place of ``app``; with ``server_app``."""
    server_app: ObjectName | None = None
    """A ServerApp as `package.module:name`; with ``client_app``."""
    run_config: dict[str, bool | int | float | str] = Field(default={})
    """Values of the app's run configuration in place of the project's (`context.run_config`)."""
    round_flop: Literal["measured"] | Annotated[float, Field(gt=0)] = "measured"
    """Operations of a round of an app on a node. ``measured``: from the seconds that it computes, at the speed of the
    node's board; policies learn it from the rounds so far."""
    round_s: Annotated[float, Field(gt=0, le=YEAR_S)] | None = None
    """Seconds that a round of an app takes a node's board, as far as known before its first one (measured); none: a
    tenth of a slot."""
    evaluate_flop: Literal["measured"] | Annotated[float, Field(ge=0)] = "measured"
    """Operations of an app's answer to one message that trains nothing, e.g. an evaluation; likewise."""
    name: str = "mnist-mlp"
    """A name of `detabed list tasks`, or `package.module:Name`; ``none``: nothing is learned, and the nodes' work is
    that of ``[demand]``: energy only, in development slots; ``llm``: nothing is learned, and the nodes serve a language
    model in application slots (docs/language-models.md)."""
    data: str = "auto"
    """``digits`` (ships with the package), ``mnist`` (data folder), or ``auto``: mnist where present, else digits."""
    batch_size: int = Field(default=8, ge=1, le=1_000_000)
    """Examples of a batch, the unit of work that policies allocate."""
    batches_per_slot: Literal["pass"] | Annotated[int, Field(ge=1, le=1_000_000)] = "pass"
    """Batches a node releases per development slot; ``pass``: one pass over its share."""
    local_epochs: int = Field(default=3, ge=1, le=10_000)
    """Passes over each batch within its slot; an offloaded batch is moved once."""
    learning_rate: float = Field(default=0.1, gt=0, le=1e6)
    """Step of stochastic gradient descent."""
    precision: Literal["float32", "bfloat16"] = default_of(TaskConfig, "precision")
    """Of the products of training. ``bfloat16``: quicker on processors that compute with it, less exact
    (docs/performance.md); parameters and answers stay ``float32``."""
    device: Device = default_of(TaskConfig, "device")
    """Where nodes train and serve: ``cpu``, ``cuda`` (an NVIDIA GPU; its meter is then ``nvml`` unless one is given),
    ``mps`` (an Apple GPU), or ``auto``: the quickest that a node's machine has (its meter stays what is given)."""
    partition: Literal["iid", "dirichlet"] = default_of(TaskConfig, "partition")
    """How examples are divided among the nodes: ``iid``, or with label skew (``dirichlet``)."""
    dirichlet_alpha: float = Field(default=default_of(TaskConfig, "dirichlet_alpha"), gt=0)
    """Concentration of the label skew; smaller is more skewed (dirichlet)."""
    strategy: ObjectName = "fedavg"
    """Flower strategy: fedavg, fedprox, fedavgm, fedadam, fedyogi, fedadagrad, fedmedian, fedtrimmedavg, krum ..."""
    strategy_options: dict[str, float | int | bool | str] = Field(default={})
    """Arguments of the strategy."""
    measure_personal: bool = False
    """Whether every node measures the model that it has trained, in each round: accuracy on held-out examples in the
    proportions of its own classes (docs/fl-kinds.md). Nodes with models of their own (strategies fedbn, fedper, ditto)
    always do."""
    target_accuracy_fraction: Annotated[float, Field(gt=0, le=1)] | None = None
    """Test accuracy at which reports state rounds and grams; none: the highest that every run of a comparison
    reached. Runs continue after it, so that all do the same work."""
    round_deadline_s: float = Field(default=60.0, gt=0, le=YEAR_S)
    """Wall seconds after which a round continues without the nodes that have not answered; of task llm 60 means an
    hour."""
    privacy: PrivacySpec = PrivacySpec()
    recycling: RecyclingSpec = RecyclingSpec()
    llm: LanguageSpec = LanguageSpec()

    @model_validator(mode="after")
    def _app_or_task(self) -> TaskSpec:
        """A user's app is the task, and is called so."""
        given = self.model_fields_set
        if self.app is not None and (self.client_app or self.server_app):
            raise ValueError("app names a whole project; give app, or client_app and server_app")
        if (self.client_app is None) != (self.server_app is None):
            raise ValueError("client_app and server_app go together; give both, or app")
        if not self.is_app:
            if self.name == APP:
                raise ValueError(f'name = "{APP}" is that of a Flower app; give app = "FOLDER"')
            if unused := [key for key in APP_KEYS if key in given and getattr(self, key) != _DEFAULTS[key]]:
                raise ValueError(f"{unused[0]} is for Flower apps; give app, or remove it")
            return self
        if "name" in given and self.name != APP:
            raise ValueError(f'app is run in place of the task name = "{self.name}"; keep one of the two')
        object.__setattr__(self, "name", APP)  # the model is frozen
        return self

    @property
    def is_app(self) -> bool:
        """Whether a user's Flower app is run."""
        return self.app is not None or self.client_app is not None


APP_KEYS = ("run_config", "round_flop", "round_s", "evaluate_flop")
"""Keys that only runs of an app use."""
_DEFAULTS = {key: TaskSpec.model_fields[key].default for key in APP_KEYS}


class ServiceSpec(Strict):
    """A service in addition to the learned task, in the same application slots: requests of another task, typically one
    that generates tokens. Its model is drawn from the seed and not trained (generating costs the same joules); its
    batches can be offloaded like all others."""

    name: str | None = Field(default=None, pattern=NAME)
    """Name in tables and reports; none: the task's name."""
    task: str = "tiny-gpt"
    """A name of `detabed list tasks`, or `package.module:Name`."""
    data: str = "default"
    """Data set of its requests; ``default``: the task's own data set that needs no download."""
    arrivals: Literal["poisson", "diurnal"] = "poisson"
    """Open loop: Poisson, or Poisson with a rate that follows the local hour."""
    requests_per_s: float | None = Field(default=None, ge=0, le=1e9)
    """Mean arrivals per node and second of slot time."""
    load_fraction: float | None = Field(default=None, ge=0, le=2)
    """Mean arrivals as a share of what the node's own board can serve. Give either this or requests_per_s."""
    requests_per_batch: int = Field(default=default_of(ServiceConfig, "requests_per_batch"), ge=1, le=65_536)
    """Largest number of requests in a batch."""
    max_wait_s: float = Field(default=default_of(ServiceConfig, "max_wait_s"), ge=0)
    """Longest time that a request waits for others to share its batch, in slot time."""
    latency_target_s: float | None = Field(default=None, gt=0)
    """Answers later than this, in slot time, are counted as missed."""
    peak_hour: float = Field(default=20.0, ge=0, lt=24)
    """Busiest local hour (diurnal)."""
    depth_fraction: Fraction = 0.8
    """Amplitude of the rate about its mean, as a share of the mean (diurnal)."""
    prompt_tokens: int | None = Field(default=None, ge=1)
    """Tokens of a request's prompt (tasks that generate); none: the task's own length, 64 for text."""
    answer_tokens: int | None = Field(default=None, ge=1)
    """Tokens generated for a request; none: the task's own length, 16 for text."""

    @property
    def label(self) -> str:
        """Its name in tables and reports."""
        return self.task if self.name is None else self.name

    @model_validator(mode="after")
    def _one_load(self) -> ServiceSpec:
        if (self.requests_per_s is None) == (self.load_fraction is None):
            raise ValueError("give requests_per_s or load_fraction, one of the two: the rate of requests")
        return self


class InferenceSpec(Strict):
    """Load of the application stage: arrivals of requests at every node, and batching."""

    arrivals: Literal["batches", "poisson", "diurnal", "trace", "conversations"] = "batches"
    """``batches``: batches_per_slot full batches at the slot's beginning; open loop: ``poisson``, ``diurnal``
    (Poisson with a rate that follows the local hour), ``trace`` (arrival times of a file); of task llm
    ``conversations``: turns of users, as task.llm.conversations has them."""
    batches_per_slot: int = Field(default=24, ge=0, le=1_000_000)
    """Mean load in full batches, where neither requests_per_s nor load_fraction is given."""
    requests_per_batch: int = Field(default=64, ge=1, le=65_536)
    """Largest number of requests in a batch."""
    requests_per_s: float | None = Field(default=None, ge=0, le=1e9)
    """Mean arrivals per node and second of slot time (poisson, diurnal; of task llm also trace, whose times are then
    stretched so that the nodes get so many)."""
    load_fraction: float | None = Field(default=None, ge=0, le=2)
    """Mean arrivals as a share of what the node's own board can serve (poisson, diurnal)."""
    max_wait_s: float = Field(default=default_of(InferenceConfig, "max_wait_s"), ge=0)
    """Longest time that a request waits for others to share its batch, in slot time."""
    batching: Batching = "fixed"
    """Which requests share a batch. ``fixed``: as they arrive, until it is full or the first has waited max_wait_s;
    ``alone``: none; ``link``: as their prompts come over users' links, waiting max_wait_s at most and only for one that
    is on its way."""
    upload_s: float = Field(default=default_of(InferenceConfig, "upload_s"), ge=0, le=86_400)
    """Seconds that a request takes over its user's link (median); 0: it is there at once."""
    upload_spread: float = Field(default=default_of(InferenceConfig, "upload_spread"), ge=0, le=3)
    """Standard deviation of the logarithm of these seconds: links differ."""
    between: Between = "awake"
    """By the model, boards stay ``awake`` between batches, or sleep after idle_s without work: ``reactive`` until
    a batch is released, ``predictive``: until just before one that is announced, or expected."""
    idle_s: float = Field(default=default_of(InferenceConfig, "idle_s"), ge=0, le=86_400)
    """Seconds without work before a board sleeps between batches, in slot time."""
    latency_target_s: float | None = Field(default=None, gt=0)
    """Answers later than this, in slot time, are counted as missed; work is not deferred beyond it."""
    peak_hour: float = Field(default=20.0, ge=0, lt=24)
    """Busiest local hour (diurnal)."""
    depth_fraction: Fraction = 0.8
    """Amplitude of the rate about its mean, as a share of the mean (diurnal)."""
    path: File | None = None
    """Trace: a CSV with arrival_s (seconds of slot time from the first application slot), and, optionally,
    node_id. Of task llm also with tokens_in and tokens_out of each request, or a trace of Azure's language models
    (TIMESTAMP, ContextTokens, GeneratedTokens), whose requests go to the nodes in turn."""
    prompt_tokens: int | None = Field(default=None, ge=1, le=1_000_000)
    """Of task llm: tokens of a request's prompt; none: 128, or as a trace says."""
    answer_tokens: int | None = Field(default=None, ge=1, le=1_000_000)
    """Of task llm: tokens of its answer; none: 64, or as a trace says."""
    shared_tokens: int = Field(default=0, ge=0, le=1_000_000)
    """Of task llm: tokens at the beginning of every prompt that are the same in all (a system prompt); what a server
    has just read of them is cached, and not read again."""
    tokens_fraction: float = Field(default=1.0, gt=0, le=1)
    """Of task llm: the trace's lengths are multiplied by it, so that they fit a small model's context."""
    services: Annotated[tuple[ServiceSpec, ...], BeforeValidator(as_tuple)] = ()
    """``[[inference.services]]``: services of the nodes in addition to the learned task."""

    @model_validator(mode="after")
    def _names_differ(self) -> InferenceSpec:
        names = [service.label for service in self.services]
        if doubled := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two services are called {', '.join(doubled)}; give each its own name")
        return self

    @property
    def strictest_target_s(self) -> float | None:
        """The lowest latency target of all services; None: none has one."""
        targets = [self.latency_target_s, *(service.latency_target_s for service in self.services)]
        return min((target for target in targets if target is not None), default=None)

    @model_validator(mode="after")
    def _one_load(self) -> InferenceSpec:
        open_loop = self.arrivals in ("poisson", "diurnal")
        given = [name for name in ("requests_per_s", "load_fraction") if getattr(self, name) is not None]
        if given and not open_loop and not (self.arrivals == "trace" and given == ["requests_per_s"]):
            raise ValueError(f"{given[0]} is for poisson and diurnal arrivals, not for {self.arrivals!r}")
        if len(given) > 1:
            raise ValueError("requests_per_s and load_fraction both set the rate of requests; keep one")
        if (self.path is not None) != (self.arrivals == "trace"):
            raise ValueError('path is only for arrivals = "trace", which needs it; give both or neither')
        return self
