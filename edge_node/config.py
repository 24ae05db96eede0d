"""Configuration of one edge node: plain, strict, JSON-able, so that it travels to any process or board."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from protos.access.config import Access
from protos.messages.terms import Overrun, Sleep, Stage

Batching = Literal["alone", "fixed", "link"]
"""Which requests share a batch: none, as they are announced, as their prompts come (edge_node/serving/release.py)."""
Between = Literal["awake", "reactive", "predictive"]
"""Between batches a board stays awake, or sleeps until work is there or expected (edge_node/serving/naps.py)."""
Device = Literal["cpu", "cuda", "mps", "auto"]
"""Where a node computes; ``auto``: the quickest that its machine has."""


class Strict(BaseModel):
    """Unknown keys, NaN and infinities are refused; values do not change once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class OperatingPoint(Strict):
    """A clock that a board may run at (DVFS)."""

    frequency_khz: int = Field(gt=0)
    """As the kernel's cpufreq has it."""
    speed_fraction: float = Field(gt=0, le=1)
    """Share of the board's full speed."""
    busy_w: float = Field(ge=0)
    """Power while computing, in all."""
    idle_w: float | None = Field(default=None, ge=0)
    """While awake and idle; None: ``BoardConfig.static_w``."""


class BoardConfig(Strict):
    """Power and speed of the board; defaults come from a sourced profile (edge_node/energy/boards/*.toml)."""

    name: str
    static_w: float = Field(ge=0)
    busy_w: float = Field(ge=0)
    """Power while computing, in all (static included)."""
    sleep_w: float = Field(ge=0)
    wake_j: float = Field(ge=0)
    wake_s: float = Field(ge=0)
    effective_flop_per_s: float = Field(gt=0)
    """Speed really reached by training code, not the peak."""
    tx_j_per_byte: float = Field(ge=0)
    rx_j_per_byte: float = Field(ge=0)
    storage_bytes: int = Field(ge=0)
    """Room for batches that other nodes offload to this one."""
    knows_sleep: bool = True
    """Whether it is known what the board draws asleep and what waking it costs. Where not, it does not sleep by the
    model, and ``sleep_w``, ``wake_j`` and ``wake_s`` say nothing."""
    points: tuple[OperatingPoint, ...] = ()
    """The fastest first, which is the board as the other figures have it; empty: it always runs like that."""

    def at(self, point: int) -> BoardConfig:
        """The board at ``points[point]``. Raises IndexError for a point that it does not have; 0 it always has."""
        if not point:
            return self
        chosen = self.points[point]
        return self.model_copy(
            update={
                "static_w": self.static_w if chosen.idle_w is None else chosen.idle_w,
                "busy_w": chosen.busy_w,
                "effective_flop_per_s": self.effective_flop_per_s * chosen.speed_fraction,
            }
        )


class BatteryConfig(Strict):
    capacity_j: float = Field(ge=0)
    initial_fraction: float = Field(default=0.0, ge=0, le=1)
    charge_efficiency_fraction: float = Field(default=0.95, gt=0, le=1)
    discharge_efficiency_fraction: float = Field(default=0.95, gt=0, le=1)
    self_discharge_fraction: float = Field(default=0.0, ge=0, lt=1)
    """Per slot."""
    charge_limit_w: float = Field(gt=0)
    discharge_limit_w: float = Field(gt=0)


class HarvestConfig(Strict):
    """Mean harvested power in each slot of the run and the look-ahead after it."""

    power_w: tuple[float, ...]
    forecast_w: tuple[float, ...] = ()
    """What the node expects of later slots instead of ``power_w``; empty: it knows (complete information)."""
    clear_sky_w: tuple[float, ...] = ()
    """Power under a clear sky: the node expects it times the last clearness index it saw. Not with ``forecast_w``."""
    source: str = "none"


class PartsConfig(Strict):
    """A model of which a node trains a part, and the node that trains the rest."""

    kind: Literal["split", "vertical"]
    server: str
    """Node id of the node that trains the rest; ``vertical``: it alone has labels."""
    server_index: int = Field(ge=0)
    cut: str = ""
    """``split``: name of the last operation that a node does itself."""
    head: str = ""
    """``split``: name of the last operation that the server does, after which the node goes on with its own labels;
    empty: the server has the labels and goes on to the loss."""
    served_batches: int = Field(default=0, ge=0)
    """Of all nodes, batches of a slot whose rest this node trains; 0 of every node but the server."""


class PersonalConfig(Strict):
    """What of a model belongs to the node that trains it."""

    home: tuple[str, ...] = ()
    """Names of tensors that stay at home: they are not sent, and those of others never come."""
    pull: float | None = Field(default=None, ge=0)
    """Ditto's lambda: the node trains a model of its own beside the global one, which pulls at it; None: it does
    not."""


class PrivacyConfig(Strict):
    """What is done to an update before it leaves the node."""

    clipping_norm: float | None = Field(default=None, gt=0)
    """L2 norm that it is scaled to where it is longer; None: it is not."""
    noise_multiplier: float = Field(default=0.0, ge=0)
    """Standard deviation of the noise in each value, as a multiple of ``clipping_norm``; 0: the node adds none."""
    server_noise_multiplier: float = Field(default=0.0, ge=0)
    """Likewise of the noise that the server adds to the sum of updates; the node names it in messages."""
    seeded: bool = True
    """Whether noise follows from the run's seed."""
    equal_weights: bool = False
    """Whether every node's update counts the same, whatever its number of examples."""
    masked: bool = False
    """Whether it leaves under masks that cancel in the sum of all nodes."""


class TaskConfig(Strict):
    """A data set, a model and a unit of work."""

    name: str
    """Registry name, e.g. ``mnist-mlp``, or ``package.module:Name``."""
    data: str = "digits"
    """Data set name, e.g. ``digits`` or ``mnist``."""
    batch_size: int = Field(ge=1)
    batches_per_slot: int = Field(ge=1)
    """d_i: batches released per development slot."""
    local_epochs: int = Field(default=1, ge=1)
    """Passes over a batch within a slot: a batch moved once is trained this often."""
    learning_rate: float = Field(gt=0)
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the products of training; parameters, sums and answers are of float32 in either case."""
    device: Device = "cpu"
    """Where it is trained and served; ``auto``: the quickest that the node's machine has."""
    partition: str = "iid"
    """``iid`` or ``dirichlet``."""
    dirichlet_alpha: float = Field(default=0.5, gt=0)
    partitions: int = Field(ge=1)
    partition_index: int = Field(ge=0)
    seed: int = 0
    prompt_tokens: int | None = Field(default=None, ge=1)
    """Tokens of a request's prompt, of a task that generates; None: the task's own length."""
    answer_tokens: int | None = Field(default=None, ge=1)
    """Tokens generated for a request; likewise."""
    parts: PartsConfig | None = None
    """Of which part is trained here; None: the whole model."""
    personal: PersonalConfig | None = None
    """None: nodes train the global model, and its accuracy at each node is not measured."""
    privacy: PrivacyConfig | None = None
    """None: updates leave as they are."""


class DemandConfig(Strict):
    """Work of a node that learns nothing: counted, moved and metered, not executed."""

    flop_per_batch: float = Field(gt=0)
    bytes_per_batch: int = Field(ge=1)
    batches: tuple[Annotated[int, Field(ge=0)], ...]
    """Batches released in each slot of the run."""


Coefficients = tuple[float, float, float]


class TokenCosts(Strict):
    """What a language model's tokens cost on the node's board, as `detabed calibrate --task llm` measured it."""

    prefill_j: Coefficients
    """a, b, c of reading n tokens: a + b n + c n^2 / 2 joules above rest."""
    step_j: Coefficients
    """a, b, c of a step that writes one token for each of B requests of context ctx: a + b B + c B ctx."""
    watts: float = Field(gt=0)
    """Above rest while it reads or writes."""


class UserTurn(Strict):
    """One turn of a user's conversation, at the node that the user was at before: it has the conversation."""

    conversation: int = Field(ge=0)
    turn: int = Field(ge=0)
    """In the conversation, from 0."""
    at: str
    """Node that the user is at now."""


class ConversationConfig(Strict):
    """Conversations of users with the language model. The prompt of turn k is all that was said before it, and a
    message: first_tokens + k (message_tokens + answer_tokens) tokens."""

    first_tokens: int = Field(ge=1)
    """Of a conversation's first message, the system prompt among them."""
    message_tokens: int = Field(ge=1)
    """Of each later message."""
    answer_tokens: int = Field(ge=1)
    own: tuple[UserTurn, ...] = ()
    """Turns that begin at this node, in the order of its batches: one a batch."""

    def prompt_tokens(self, turn: int) -> int:
        """Of the whole conversation so far, with the message of ``turn``."""
        return self.first_tokens + turn * (self.message_tokens + self.answer_tokens)

    def history_tokens(self, turn: int) -> int:
        """Of the prompt of ``turn``, what a cache of the turns before has: an answer's last token is written and not
        read. 0: there is none."""
        return self.prompt_tokens(turn) - self.message_tokens - 1 if turn else 0


class LanguageConfig(Strict):
    """A language model that a node serves in a process of its own, and the lengths of its users' requests."""

    path: str = ""
    """Of the model's file (GGUF); empty: the packaged data set, in the data folder of the node's machine."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """That the file must have."""
    model: str
    """Name of the model, for people."""
    threads: int = Field(default=1, ge=1, le=1024)
    at_once: int = Field(default=1, ge=1, le=64)
    """Requests of a batch that the server answers at the same time; 1: one after the other."""
    context_tokens: int = Field(default=2048, ge=256)
    """Of prompt and answer together."""
    prompt_tokens: int = Field(default=128, ge=1)
    """Of a request's prompt, where ``lengths`` does not say."""
    answer_tokens: int = Field(default=64, ge=1)
    """Of its answer, likewise."""
    shared_tokens: int = Field(default=0, ge=0)
    """At the beginning of every prompt, the same in all (a system prompt): a server that has just read them does not
    read them again."""
    longest_tokens: int = Field(default=128, ge=1)
    """Of any prompt in the fleet: batches have room for it, and batches of all nodes look alike."""
    lengths: tuple[tuple[int, int], ...] = ()
    """(prompt, answer) tokens of each of the node's requests, in the order of their arrival; empty: all are alike."""
    block_parameters: float = Field(gt=0)
    """Parameters of the model's blocks: multiplied for every token."""
    output_parameters: float = Field(gt=0)
    """Of its output layer: multiplied for every token that is written."""
    attention_width: float = Field(gt=0)
    """Blocks times width: with it attention's operations grow with the context."""
    cache_bytes_per_token: int = Field(default=0, ge=0)
    """Of a prompt's cache; 0: it is not known, and no prompt is read on one node and answered on another."""
    conversations: ConversationConfig | None = None
    """None: requests are no turns of conversations."""
    costs: TokenCosts | None = None
    """What policies plan with; None: operations counted from the model's shape, at the board's speed in training."""


class AppConfig(Strict):
    """A Flower app whose ClientApp a node runs in place of a task."""

    client_app: str
    """``package.module:name`` of the ClientApp."""
    folder: str = ""
    """Folder of the project, which its modules are imported from; empty: where Python looks, and beside the
    scenario."""
    sha256: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    """Of the project's bundle, where it comes to the node with its assignment; empty: the node reads ``folder``."""
    run_config: dict[str, bool | int | float | str] = {}
    """As ``context.run_config`` has it: the project's, with the scenario's overrides."""
    batches: int | None = Field(default=None, ge=1)
    """Of a round of a divisible app, which is told how many it may run; None: opaque, a round is one batch."""
    partitions: int = Field(ge=1)
    """``num-partitions`` of Flower's node configuration; ``partition-id`` is the node's index."""
    round_flop: float | None = Field(default=None, ge=0)
    """Operations of a round of training; None: its seconds are measured."""
    evaluate_flop: float | None = Field(default=None, ge=0)
    """Likewise of answering one message of another kind."""


class ServiceConfig(Strict):
    """A service beside the learned task in the application stage: requests of another task, at a rate of their own.

    Its model is drawn from the run's seed and not trained: generating costs the same joules either way.
    """

    name: str
    """Its name in tables and reports."""
    task: TaskConfig
    rate_per_s: tuple[Annotated[float, Field(ge=0)], ...]
    """Requests per second of slot time, by slot of the run."""
    requests_per_batch: int = Field(default=8, ge=1)
    max_wait_s: float = Field(default=0.05, ge=0)
    latency_target_s: float | None = Field(default=None, gt=0)


class InferenceConfig(Strict):
    """Load of the application stage: batches of requests per slot and what a request is."""

    batches_per_slot: int = Field(default=0, ge=0)
    """Of arrivals ``batches`` alone."""
    requests_per_batch: int = Field(default=32, ge=1)
    """Most requests that share a batch."""
    arrivals: Literal["batches", "poisson", "times"] = "batches"
    """``batches``: full batches at the slot's beginning; ``poisson``: open loop at ``rate_per_s``; ``times``: at
    ``times_s``."""
    rate_per_s: tuple[Annotated[float, Field(ge=0)], ...] = ()
    """Requests per second of slot time, by slot of the run."""
    times_s: tuple[Annotated[float, Field(ge=0)], ...] = ()
    """Ascending, seconds of slot time from the run's beginning."""
    max_wait_s: float = Field(default=0.05, ge=0)
    """Longest that a request waits for others to share its batch."""
    batching: Batching = "fixed"
    upload_s: float = Field(default=0.0, ge=0)
    """Seconds that a request takes over its user's link, median; 0: it is there at once."""
    upload_spread: float = Field(default=0.0, ge=0, le=3)
    """Standard deviation of the logarithm of these seconds."""
    between: Between = "awake"
    idle_s: float = Field(default=5.0, ge=0)
    """Without work before the board sleeps between batches."""
    latency_target_s: float | None = Field(default=None, gt=0)
    """Requests answered later count as missed; a batch may wait for no slot that the target does not allow."""
    link_bytes_per_s: float = Field(default=6.25e6, gt=0)
    """Rate at which batches travel between nodes; only latency depends on it."""
    services: tuple[ServiceConfig, ...] = ()
    """Further services, beside the learned task."""
    planned_flop_per_batch: float | None = Field(default=None, gt=0)
    """Operations that policies plan for a batch of the application stage where several services mix: the mean of the
    whole fleet, so that a batch costs the same operations wherever it is planned. None: the node's own mean."""
    planned_bytes_per_batch: int | None = Field(default=None, ge=1)
    """Likewise its payload."""
    planned_up_bytes_per_batch: float = Field(default=0.0, ge=0)
    """Likewise what users send for it."""
    planned_down_bytes_per_batch: float = Field(default=0.0, ge=0)
    """Likewise what they get."""


class NodeMemory(Strict):
    """What a node knows beyond its configuration and the books, before the decision of ``slot``: with it another start
    of the node goes on where this one stood."""

    slot: int = Field(ge=0)
    waiting: tuple[tuple[int, int, int], ...] = ()
    """Own batches of earlier slots that are not done: (slot of release, number of the first, how many)."""
    sent: tuple[tuple[int, int], ...] = ()
    """Batches that left in markets, which (D5) counts: (slot of release, how many)."""
    free_s: float = 0.0
    """When the board has answered all requests, in seconds of slot time."""
    slept: bool = False
    """Whether it slept through the slot before."""
    mean_loss: float | None = None
    """Of its last training."""
    home: dict[str, str] = {}
    """Tensors that the node keeps to itself (float32, little endian, base64), by name."""
    done: tuple[Annotated[int, Field(ge=0)], ...] = ()
    """Own batches that the books have as done or sent in ``slot`` and the slots after it, which went by without this
    start."""


SLEEP_LIMIT_S = 30.0


class SleepConfig(Strict):
    """How a node sleeps. Without one it follows from the meter: edge_node.slots.profile.sleep_of."""

    kind: Sleep
    down: tuple[str, ...] = ()
    """Program and arguments that put the board to sleep, without a shell (command)."""
    up: tuple[str, ...] = ()
    """That wake it (command)."""
    ready: tuple[str, ...] = ()
    """That end with code 0 once it is awake (supply; command: empty means when ``up`` ends)."""
    plug: str = ""
    """``shelly:http://HOST`` or ``tasmota:http://HOST`` (supply)."""
    relay: int = Field(default=1, ge=1, le=16)
    time_limit_s: float = Field(default=SLEEP_LIMIT_S, gt=0)

    @model_validator(mode="after")
    def _whole(self) -> SleepConfig:
        refuse_half_sleep(self.kind, self.down, self.up, self.ready, self.plug)
        return self


def refuse_half_sleep(
    kind: str, down: tuple[str, ...], up: tuple[str, ...], ready: tuple[str, ...], plug: str
) -> None:
    """Raises ValueError where an actuator lacks a part, or has one that its kind does not use."""
    parts = {"down": down, "up": up, "ready": ready, "plug": plug}
    needed = {Sleep.COMMAND: ("down", "up"), Sleep.SUPPLY: ("plug", "ready")}.get(Sleep(kind), ())
    used = (*needed, "ready") if needed else ()
    if lacking := [name for name in needed if not parts[name]]:
        raise ValueError(
            f'kind = "{kind}" needs {" and ".join(needed)}; {" and ".join(lacking)} is missing (programs are lists: '
            '["/usr/bin/program", "argument"])'
        )
    if unused := [name for name, value in parts.items() if value and name not in used]:
        raise ValueError(f'kind = "{kind}" does not use {" and ".join(unused)}; remove it, or change kind')
    if empty := [name for name, value in parts.items() if name != "plug" and value and not value[0]]:
        raise ValueError(f"{empty[0]} names no program: its first entry is empty")


class NodeConfig(Strict):
    run_id: str
    node_id: str
    index: int = Field(ge=0)
    zone: str
    seed: int
    slot_s: float = Field(gt=0)
    overrun: Overrun | None = None
    """On the wall clock: what becomes of a slot whose work takes longer. None: the virtual clock."""
    stages: tuple[Stage, ...]
    """Life-cycle stage of every slot."""
    deadline_slots: int = Field(default=0, ge=0)
    horizon_slots: int = Field(default=1, ge=1)
    """Slots of which the node reports its expectations, the present one among them."""
    board: BoardConfig
    battery: BatteryConfig | None = None
    export_loss_fraction: float = Field(default=0.0, ge=0, lt=1)
    import_loss_fraction: float = Field(default=0.0, ge=0, lt=1)
    harvest: HarvestConfig
    task: TaskConfig
    recycling_task: TaskConfig | None = None
    """The second task that the model is fine-tuned to in recycling slots."""
    inference: InferenceConfig = InferenceConfig()
    demand: DemandConfig | None = None
    """In place of ``task``, which then only has a name."""
    app: AppConfig | None = None
    """A user's Flower app, with ``demand``: one batch a round."""
    language: LanguageConfig | None = None
    """A language model that is served in place of ``task``, which then only has a name."""
    meter: str = "modelled"
    harvest_meter: str = ""
    """Sensor that measures harvest, on the wall clock; empty: it is ``harvest``'s."""
    battery_meter: str = ""
    """Gauge of its battery, on the wall clock; empty: what it holds follows from its flows."""
    sleep: SleepConfig | None = None
    coordinator_address: str = ""
    """host:port; empty in a fleet that shares one process."""
    peer_host: str = "127.0.0.1"
    peer_port: int = 0
    infer_port: int = Field(default=0, ge=0, le=65_535)
    """Port on ``peer_host`` at which outside clients ask; 0 takes a free one."""
    access: Access = Access()
    """The node's certificate, or the run's secret."""
    earlier_epochs: int = Field(default=0, ge=0)
    """Epochs of the coordinator before this start of the node: a run that is resumed has new starts of all nodes."""
    memory: NodeMemory | None = None
    """Of the start before, in a run that is resumed."""
