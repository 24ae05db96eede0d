from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Stage(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STAGE_UNSPECIFIED: _ClassVar[Stage]
    STAGE_PREPARATION: _ClassVar[Stage]
    STAGE_DEVELOPMENT: _ClassVar[Stage]
    STAGE_APPLICATION: _ClassVar[Stage]
    STAGE_RECYCLING: _ClassVar[Stage]
    STAGE_UNALLOCATED: _ClassVar[Stage]

class Component(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COMPONENT_UNSPECIFIED: _ClassVar[Component]
    COMPONENT_COMPUTE: _ClassVar[Component]
    COMPONENT_STATIC: _ClassVar[Component]
    COMPONENT_SLEEP: _ClassVar[Component]
    COMPONENT_WAKE: _ClassVar[Component]
    COMPONENT_RADIO_TX: _ClassVar[Component]
    COMPONENT_RADIO_RX: _ClassVar[Component]
    COMPONENT_NETWORK: _ClassVar[Component]
    COMPONENT_COORDINATOR: _ClassVar[Component]
    COMPONENT_ROUTER: _ClassVar[Component]
    COMPONENT_WASTE: _ClassVar[Component]
    COMPONENT_NEGOTIATION: _ClassVar[Component]

class Provenance(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PROVENANCE_UNSPECIFIED: _ClassVar[Provenance]
    PROVENANCE_MEASURED: _ClassVar[Provenance]
    PROVENANCE_MODELLED: _ClassVar[Provenance]
    PROVENANCE_REPLAYED: _ClassVar[Provenance]
    PROVENANCE_MISSING: _ClassVar[Provenance]

class MeterKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    METERKIND_UNSPECIFIED: _ClassVar[MeterKind]
    METERKIND_COUNTER: _ClassVar[MeterKind]
    METERKIND_POWER: _ClassVar[MeterKind]
    METERKIND_ESTIMATE: _ClassVar[MeterKind]

class Sleep(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SLEEP_UNSPECIFIED: _ClassVar[Sleep]
    SLEEP_NONE: _ClassVar[Sleep]
    SLEEP_MODELLED: _ClassVar[Sleep]
    SLEEP_COMMAND: _ClassVar[Sleep]
    SLEEP_SUPPLY: _ClassVar[Sleep]

class RequestPart(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REQUESTPART_UNSPECIFIED: _ClassVar[RequestPart]
    REQUESTPART_WHOLE: _ClassVar[RequestPart]
    REQUESTPART_READ: _ClassVar[RequestPart]
    REQUESTPART_WRITE: _ClassVar[RequestPart]
    REQUESTPART_KEPT: _ClassVar[RequestPart]
    REQUESTPART_CONTINUED: _ClassVar[RequestPart]
    REQUESTPART_READ_AGAIN: _ClassVar[RequestPart]
    REQUESTPART_FELL_BACK: _ClassVar[RequestPart]
    REQUESTPART_LOST: _ClassVar[RequestPart]
    REQUESTPART_RECALLED: _ClassVar[RequestPart]

class Good(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GOOD_UNSPECIFIED: _ClassVar[Good]
    GOOD_ENERGY: _ClassVar[Good]
    GOOD_WORK: _ClassVar[Good]

class Side(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SIDE_UNSPECIFIED: _ClassVar[Side]
    SIDE_ASK: _ClassVar[Side]
    SIDE_BID: _ClassVar[Side]

class MarketKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MARKETKIND_UNSPECIFIED: _ClassVar[MarketKind]
    MARKETKIND_QUOTES: _ClassVar[MarketKind]
    MARKETKIND_EXCHANGE: _ClassVar[MarketKind]
STAGE_UNSPECIFIED: Stage
STAGE_PREPARATION: Stage
STAGE_DEVELOPMENT: Stage
STAGE_APPLICATION: Stage
STAGE_RECYCLING: Stage
STAGE_UNALLOCATED: Stage
COMPONENT_UNSPECIFIED: Component
COMPONENT_COMPUTE: Component
COMPONENT_STATIC: Component
COMPONENT_SLEEP: Component
COMPONENT_WAKE: Component
COMPONENT_RADIO_TX: Component
COMPONENT_RADIO_RX: Component
COMPONENT_NETWORK: Component
COMPONENT_COORDINATOR: Component
COMPONENT_ROUTER: Component
COMPONENT_WASTE: Component
COMPONENT_NEGOTIATION: Component
PROVENANCE_UNSPECIFIED: Provenance
PROVENANCE_MEASURED: Provenance
PROVENANCE_MODELLED: Provenance
PROVENANCE_REPLAYED: Provenance
PROVENANCE_MISSING: Provenance
METERKIND_UNSPECIFIED: MeterKind
METERKIND_COUNTER: MeterKind
METERKIND_POWER: MeterKind
METERKIND_ESTIMATE: MeterKind
SLEEP_UNSPECIFIED: Sleep
SLEEP_NONE: Sleep
SLEEP_MODELLED: Sleep
SLEEP_COMMAND: Sleep
SLEEP_SUPPLY: Sleep
REQUESTPART_UNSPECIFIED: RequestPart
REQUESTPART_WHOLE: RequestPart
REQUESTPART_READ: RequestPart
REQUESTPART_WRITE: RequestPart
REQUESTPART_KEPT: RequestPart
REQUESTPART_CONTINUED: RequestPart
REQUESTPART_READ_AGAIN: RequestPart
REQUESTPART_FELL_BACK: RequestPart
REQUESTPART_LOST: RequestPart
REQUESTPART_RECALLED: RequestPart
GOOD_UNSPECIFIED: Good
GOOD_ENERGY: Good
GOOD_WORK: Good
SIDE_UNSPECIFIED: Side
SIDE_ASK: Side
SIDE_BID: Side
MARKETKIND_UNSPECIFIED: MarketKind
MARKETKIND_QUOTES: MarketKind
MARKETKIND_EXCHANGE: MarketKind

class FromBoard(_message.Message):
    __slots__ = ("present", "hosting", "piece", "beat")
    PRESENT_FIELD_NUMBER: _ClassVar[int]
    HOSTING_FIELD_NUMBER: _ClassVar[int]
    PIECE_FIELD_NUMBER: _ClassVar[int]
    BEAT_FIELD_NUMBER: _ClassVar[int]
    present: Present
    hosting: Hosting
    piece: Piece
    beat: Beat
    def __init__(self, present: _Optional[_Union[Present, _Mapping]] = ..., hosting: _Optional[_Union[Hosting, _Mapping]] = ..., piece: _Optional[_Union[Piece, _Mapping]] = ..., beat: _Optional[_Union[Beat, _Mapping]] = ...) -> None: ...

class ToBoard(_message.Message):
    __slots__ = ("piece", "beat", "release", "refusal")
    PIECE_FIELD_NUMBER: _ClassVar[int]
    BEAT_FIELD_NUMBER: _ClassVar[int]
    RELEASE_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    piece: Piece
    beat: Beat
    release: Release
    refusal: Refusal
    def __init__(self, piece: _Optional[_Union[Piece, _Mapping]] = ..., beat: _Optional[_Union[Beat, _Mapping]] = ..., release: _Optional[_Union[Release, _Mapping]] = ..., refusal: _Optional[_Union[Refusal, _Mapping]] = ...) -> None: ...

class Present(_message.Message):
    __slots__ = ("node_id", "boot_id", "session", "pid", "versions")
    class VersionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    BOOT_ID_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    boot_id: str
    session: str
    pid: int
    versions: _containers.ScalarMap[str, str]
    def __init__(self, node_id: _Optional[str] = ..., boot_id: _Optional[str] = ..., session: _Optional[str] = ..., pid: _Optional[int] = ..., versions: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Hosting(_message.Message):
    __slots__ = ("session", "peer_address", "infer_address", "failure")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    PEER_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    INFER_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    session: str
    peer_address: str
    infer_address: str
    failure: str
    def __init__(self, session: _Optional[str] = ..., peer_address: _Optional[str] = ..., infer_address: _Optional[str] = ..., failure: _Optional[str] = ...) -> None: ...

class Piece(_message.Message):
    __slots__ = ("letter_id", "kind", "total_bytes", "data")
    LETTER_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    TOTAL_BYTES_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    letter_id: str
    kind: str
    total_bytes: int
    data: bytes
    def __init__(self, letter_id: _Optional[str] = ..., kind: _Optional[str] = ..., total_bytes: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...

class Beat(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Release(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class NodeMessage(_message.Message):
    __slots__ = ("register", "heartbeat", "telemetry", "usage", "settlement", "refusal", "offers", "clock_answer", "heartbeats")
    REGISTER_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    TELEMETRY_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    SETTLEMENT_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    OFFERS_FIELD_NUMBER: _ClassVar[int]
    CLOCK_ANSWER_FIELD_NUMBER: _ClassVar[int]
    HEARTBEATS_FIELD_NUMBER: _ClassVar[int]
    register: Register
    heartbeat: Heartbeat
    telemetry: Telemetry
    usage: Usage
    settlement: Settlement
    refusal: Refusal
    offers: Offers
    clock_answer: ClockAnswer
    heartbeats: Heartbeats
    def __init__(self, register: _Optional[_Union[Register, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ..., telemetry: _Optional[_Union[Telemetry, _Mapping]] = ..., usage: _Optional[_Union[Usage, _Mapping]] = ..., settlement: _Optional[_Union[Settlement, _Mapping]] = ..., refusal: _Optional[_Union[Refusal, _Mapping]] = ..., offers: _Optional[_Union[Offers, _Mapping]] = ..., clock_answer: _Optional[_Union[ClockAnswer, _Mapping]] = ..., heartbeats: _Optional[_Union[Heartbeats, _Mapping]] = ...) -> None: ...

class CoordinatorMessage(_message.Message):
    __slots__ = ("welcome", "decision", "close_slot", "energy_grant", "ack", "refusal", "market_call", "market_news", "clock_question", "heard", "gone")
    WELCOME_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    CLOSE_SLOT_FIELD_NUMBER: _ClassVar[int]
    ENERGY_GRANT_FIELD_NUMBER: _ClassVar[int]
    ACK_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    MARKET_CALL_FIELD_NUMBER: _ClassVar[int]
    MARKET_NEWS_FIELD_NUMBER: _ClassVar[int]
    CLOCK_QUESTION_FIELD_NUMBER: _ClassVar[int]
    HEARD_FIELD_NUMBER: _ClassVar[int]
    GONE_FIELD_NUMBER: _ClassVar[int]
    welcome: Welcome
    decision: Decision
    close_slot: CloseSlot
    energy_grant: EnergyGrant
    ack: Ack
    refusal: Refusal
    market_call: MarketCall
    market_news: MarketNews
    clock_question: ClockQuestion
    heard: Heard
    gone: Gone
    def __init__(self, welcome: _Optional[_Union[Welcome, _Mapping]] = ..., decision: _Optional[_Union[Decision, _Mapping]] = ..., close_slot: _Optional[_Union[CloseSlot, _Mapping]] = ..., energy_grant: _Optional[_Union[EnergyGrant, _Mapping]] = ..., ack: _Optional[_Union[Ack, _Mapping]] = ..., refusal: _Optional[_Union[Refusal, _Mapping]] = ..., market_call: _Optional[_Union[MarketCall, _Mapping]] = ..., market_news: _Optional[_Union[MarketNews, _Mapping]] = ..., clock_question: _Optional[_Union[ClockQuestion, _Mapping]] = ..., heard: _Optional[_Union[Heard, _Mapping]] = ..., gone: _Optional[_Union[Gone, _Mapping]] = ...) -> None: ...

class WorkProfile(_message.Message):
    __slots__ = ("stage", "seconds_per_batch", "joules_per_batch", "bytes_per_batch", "model_j", "request_j", "hand_over", "calibrated", "compute_j")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    SECONDS_PER_BATCH_FIELD_NUMBER: _ClassVar[int]
    JOULES_PER_BATCH_FIELD_NUMBER: _ClassVar[int]
    BYTES_PER_BATCH_FIELD_NUMBER: _ClassVar[int]
    MODEL_J_FIELD_NUMBER: _ClassVar[int]
    REQUEST_J_FIELD_NUMBER: _ClassVar[int]
    HAND_OVER_FIELD_NUMBER: _ClassVar[int]
    CALIBRATED_FIELD_NUMBER: _ClassVar[int]
    COMPUTE_J_FIELD_NUMBER: _ClassVar[int]
    stage: Stage
    seconds_per_batch: float
    joules_per_batch: float
    bytes_per_batch: int
    model_j: float
    request_j: float
    hand_over: HandOver
    calibrated: bool
    compute_j: float
    def __init__(self, stage: _Optional[_Union[Stage, str]] = ..., seconds_per_batch: _Optional[float] = ..., joules_per_batch: _Optional[float] = ..., bytes_per_batch: _Optional[int] = ..., model_j: _Optional[float] = ..., request_j: _Optional[float] = ..., hand_over: _Optional[_Union[HandOver, _Mapping]] = ..., calibrated: bool = ..., compute_j: _Optional[float] = ...) -> None: ...

class PointCost(_message.Message):
    __slots__ = ("frequency_khz", "speed_fraction", "energy_times", "static_w")
    FREQUENCY_KHZ_FIELD_NUMBER: _ClassVar[int]
    SPEED_FRACTION_FIELD_NUMBER: _ClassVar[int]
    ENERGY_TIMES_FIELD_NUMBER: _ClassVar[int]
    STATIC_W_FIELD_NUMBER: _ClassVar[int]
    frequency_khz: int
    speed_fraction: float
    energy_times: float
    static_w: float
    def __init__(self, frequency_khz: _Optional[int] = ..., speed_fraction: _Optional[float] = ..., energy_times: _Optional[float] = ..., static_w: _Optional[float] = ...) -> None: ...

class HandOver(_message.Message):
    __slots__ = ("read_seconds", "read_joules", "cache_bytes", "kin", "link_bytes_per_s", "latency_target_s")
    READ_SECONDS_FIELD_NUMBER: _ClassVar[int]
    READ_JOULES_FIELD_NUMBER: _ClassVar[int]
    CACHE_BYTES_FIELD_NUMBER: _ClassVar[int]
    KIN_FIELD_NUMBER: _ClassVar[int]
    LINK_BYTES_PER_S_FIELD_NUMBER: _ClassVar[int]
    LATENCY_TARGET_S_FIELD_NUMBER: _ClassVar[int]
    read_seconds: float
    read_joules: float
    cache_bytes: int
    kin: str
    link_bytes_per_s: float
    latency_target_s: float
    def __init__(self, read_seconds: _Optional[float] = ..., read_joules: _Optional[float] = ..., cache_bytes: _Optional[int] = ..., kin: _Optional[str] = ..., link_bytes_per_s: _Optional[float] = ..., latency_target_s: _Optional[float] = ...) -> None: ...

class NodeProfile(_message.Message):
    __slots__ = ("zone", "static_w", "sleep_w", "wake_j", "wake_s", "tx_j_per_byte", "rx_j_per_byte", "storage_bytes", "battery_capacity_uj", "charge_efficiency_fraction", "discharge_efficiency_fraction", "self_discharge_fraction", "charge_limit_w", "discharge_limit_w", "export_loss_fraction", "import_loss_fraction", "work", "meter", "provenance", "num_examples", "data_digest", "sleep", "points")
    ZONE_FIELD_NUMBER: _ClassVar[int]
    STATIC_W_FIELD_NUMBER: _ClassVar[int]
    SLEEP_W_FIELD_NUMBER: _ClassVar[int]
    WAKE_J_FIELD_NUMBER: _ClassVar[int]
    WAKE_S_FIELD_NUMBER: _ClassVar[int]
    TX_J_PER_BYTE_FIELD_NUMBER: _ClassVar[int]
    RX_J_PER_BYTE_FIELD_NUMBER: _ClassVar[int]
    STORAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    BATTERY_CAPACITY_UJ_FIELD_NUMBER: _ClassVar[int]
    CHARGE_EFFICIENCY_FRACTION_FIELD_NUMBER: _ClassVar[int]
    DISCHARGE_EFFICIENCY_FRACTION_FIELD_NUMBER: _ClassVar[int]
    SELF_DISCHARGE_FRACTION_FIELD_NUMBER: _ClassVar[int]
    CHARGE_LIMIT_W_FIELD_NUMBER: _ClassVar[int]
    DISCHARGE_LIMIT_W_FIELD_NUMBER: _ClassVar[int]
    EXPORT_LOSS_FRACTION_FIELD_NUMBER: _ClassVar[int]
    IMPORT_LOSS_FRACTION_FIELD_NUMBER: _ClassVar[int]
    WORK_FIELD_NUMBER: _ClassVar[int]
    METER_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    NUM_EXAMPLES_FIELD_NUMBER: _ClassVar[int]
    DATA_DIGEST_FIELD_NUMBER: _ClassVar[int]
    SLEEP_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    zone: str
    static_w: float
    sleep_w: float
    wake_j: float
    wake_s: float
    tx_j_per_byte: float
    rx_j_per_byte: float
    storage_bytes: int
    battery_capacity_uj: int
    charge_efficiency_fraction: float
    discharge_efficiency_fraction: float
    self_discharge_fraction: float
    charge_limit_w: float
    discharge_limit_w: float
    export_loss_fraction: float
    import_loss_fraction: float
    work: _containers.RepeatedCompositeFieldContainer[WorkProfile]
    meter: str
    provenance: Provenance
    num_examples: int
    data_digest: str
    sleep: Sleep
    points: _containers.RepeatedCompositeFieldContainer[PointCost]
    def __init__(self, zone: _Optional[str] = ..., static_w: _Optional[float] = ..., sleep_w: _Optional[float] = ..., wake_j: _Optional[float] = ..., wake_s: _Optional[float] = ..., tx_j_per_byte: _Optional[float] = ..., rx_j_per_byte: _Optional[float] = ..., storage_bytes: _Optional[int] = ..., battery_capacity_uj: _Optional[int] = ..., charge_efficiency_fraction: _Optional[float] = ..., discharge_efficiency_fraction: _Optional[float] = ..., self_discharge_fraction: _Optional[float] = ..., charge_limit_w: _Optional[float] = ..., discharge_limit_w: _Optional[float] = ..., export_loss_fraction: _Optional[float] = ..., import_loss_fraction: _Optional[float] = ..., work: _Optional[_Iterable[_Union[WorkProfile, _Mapping]]] = ..., meter: _Optional[str] = ..., provenance: _Optional[_Union[Provenance, str]] = ..., num_examples: _Optional[int] = ..., data_digest: _Optional[str] = ..., sleep: _Optional[_Union[Sleep, str]] = ..., points: _Optional[_Iterable[_Union[PointCost, _Mapping]]] = ...) -> None: ...

class Register(_message.Message):
    __slots__ = ("node_id", "boot_id", "peer_address", "profile")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    BOOT_ID_FIELD_NUMBER: _ClassVar[int]
    PEER_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    boot_id: str
    peer_address: str
    profile: NodeProfile
    def __init__(self, node_id: _Optional[str] = ..., boot_id: _Optional[str] = ..., peer_address: _Optional[str] = ..., profile: _Optional[_Union[NodeProfile, _Mapping]] = ...) -> None: ...

class Welcome(_message.Message):
    __slots__ = ("run_id", "epoch", "heartbeat_s", "lease_s", "next_slot", "battery_uj", "negotiates")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_S_FIELD_NUMBER: _ClassVar[int]
    LEASE_S_FIELD_NUMBER: _ClassVar[int]
    NEXT_SLOT_FIELD_NUMBER: _ClassVar[int]
    BATTERY_UJ_FIELD_NUMBER: _ClassVar[int]
    NEGOTIATES_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    epoch: int
    heartbeat_s: float
    lease_s: float
    next_slot: int
    battery_uj: int
    negotiates: bool
    def __init__(self, run_id: _Optional[str] = ..., epoch: _Optional[int] = ..., heartbeat_s: _Optional[float] = ..., lease_s: _Optional[float] = ..., next_slot: _Optional[int] = ..., battery_uj: _Optional[int] = ..., negotiates: bool = ...) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ("node_id", "boot_id", "seq", "monotonic_ns", "awaits", "handed_slot")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    BOOT_ID_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    MONOTONIC_NS_FIELD_NUMBER: _ClassVar[int]
    AWAITS_FIELD_NUMBER: _ClassVar[int]
    HANDED_SLOT_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    boot_id: str
    seq: int
    monotonic_ns: int
    awaits: _containers.RepeatedScalarFieldContainer[str]
    handed_slot: int
    def __init__(self, node_id: _Optional[str] = ..., boot_id: _Optional[str] = ..., seq: _Optional[int] = ..., monotonic_ns: _Optional[int] = ..., awaits: _Optional[_Iterable[str]] = ..., handed_slot: _Optional[int] = ...) -> None: ...

class Heartbeats(_message.Message):
    __slots__ = ("beats",)
    BEATS_FIELD_NUMBER: _ClassVar[int]
    beats: _containers.RepeatedCompositeFieldContainer[Heartbeat]
    def __init__(self, beats: _Optional[_Iterable[_Union[Heartbeat, _Mapping]]] = ...) -> None: ...

class Heard(_message.Message):
    __slots__ = ("node_ids",)
    NODE_IDS_FIELD_NUMBER: _ClassVar[int]
    node_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, node_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class Gone(_message.Message):
    __slots__ = ("slot", "node_ids")
    SLOT_FIELD_NUMBER: _ClassVar[int]
    NODE_IDS_FIELD_NUMBER: _ClassVar[int]
    slot: int
    node_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, slot: _Optional[int] = ..., node_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class ClockQuestion(_message.Message):
    __slots__ = ("node_id", "number")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    number: int
    def __init__(self, node_id: _Optional[str] = ..., number: _Optional[int] = ...) -> None: ...

class ClockAnswer(_message.Message):
    __slots__ = ("node_id", "boot_id", "number", "monotonic_ns")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    BOOT_ID_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    MONOTONIC_NS_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    boot_id: str
    number: int
    monotonic_ns: int
    def __init__(self, node_id: _Optional[str] = ..., boot_id: _Optional[str] = ..., number: _Optional[int] = ..., monotonic_ns: _Optional[int] = ...) -> None: ...

class Telemetry(_message.Message):
    __slots__ = ("node_id", "boot_id", "seq", "slot", "battery_uj", "harvest_forecast_uj", "backlog_batches", "release_forecast_batches", "mean_loss", "work", "battery_was_read")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    BOOT_ID_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    BATTERY_UJ_FIELD_NUMBER: _ClassVar[int]
    HARVEST_FORECAST_UJ_FIELD_NUMBER: _ClassVar[int]
    BACKLOG_BATCHES_FIELD_NUMBER: _ClassVar[int]
    RELEASE_FORECAST_BATCHES_FIELD_NUMBER: _ClassVar[int]
    MEAN_LOSS_FIELD_NUMBER: _ClassVar[int]
    WORK_FIELD_NUMBER: _ClassVar[int]
    BATTERY_WAS_READ_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    boot_id: str
    seq: int
    slot: int
    battery_uj: int
    harvest_forecast_uj: _containers.RepeatedScalarFieldContainer[int]
    backlog_batches: _containers.RepeatedScalarFieldContainer[int]
    release_forecast_batches: _containers.RepeatedScalarFieldContainer[int]
    mean_loss: float
    work: _containers.RepeatedCompositeFieldContainer[WorkProfile]
    battery_was_read: bool
    def __init__(self, node_id: _Optional[str] = ..., boot_id: _Optional[str] = ..., seq: _Optional[int] = ..., slot: _Optional[int] = ..., battery_uj: _Optional[int] = ..., harvest_forecast_uj: _Optional[_Iterable[int]] = ..., backlog_batches: _Optional[_Iterable[int]] = ..., release_forecast_batches: _Optional[_Iterable[int]] = ..., mean_loss: _Optional[float] = ..., work: _Optional[_Iterable[_Union[WorkProfile, _Mapping]]] = ..., battery_was_read: bool = ...) -> None: ...

class Send(_message.Message):
    __slots__ = ("executor", "address", "batches", "handed")
    EXECUTOR_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    BATCHES_FIELD_NUMBER: _ClassVar[int]
    HANDED_FIELD_NUMBER: _ClassVar[int]
    executor: str
    address: str
    batches: int
    handed: int
    def __init__(self, executor: _Optional[str] = ..., address: _Optional[str] = ..., batches: _Optional[int] = ..., handed: _Optional[int] = ...) -> None: ...

class Guest(_message.Message):
    __slots__ = ("owner", "batches", "handed")
    OWNER_FIELD_NUMBER: _ClassVar[int]
    BATCHES_FIELD_NUMBER: _ClassVar[int]
    HANDED_FIELD_NUMBER: _ClassVar[int]
    owner: str
    batches: int
    handed: int
    def __init__(self, owner: _Optional[str] = ..., batches: _Optional[int] = ..., handed: _Optional[int] = ...) -> None: ...

class Decision(_message.Message):
    __slots__ = ("node_id", "epoch", "slot", "stage", "awake", "own_batches", "sends", "guests", "export_uj", "charge_uj", "discharge_uj", "deadline_s", "self_managed", "remaining_s", "missed", "point", "recalled")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    AWAKE_FIELD_NUMBER: _ClassVar[int]
    OWN_BATCHES_FIELD_NUMBER: _ClassVar[int]
    SENDS_FIELD_NUMBER: _ClassVar[int]
    GUESTS_FIELD_NUMBER: _ClassVar[int]
    EXPORT_UJ_FIELD_NUMBER: _ClassVar[int]
    CHARGE_UJ_FIELD_NUMBER: _ClassVar[int]
    DISCHARGE_UJ_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_S_FIELD_NUMBER: _ClassVar[int]
    SELF_MANAGED_FIELD_NUMBER: _ClassVar[int]
    REMAINING_S_FIELD_NUMBER: _ClassVar[int]
    MISSED_FIELD_NUMBER: _ClassVar[int]
    POINT_FIELD_NUMBER: _ClassVar[int]
    RECALLED_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    epoch: int
    slot: int
    stage: Stage
    awake: bool
    own_batches: int
    sends: _containers.RepeatedCompositeFieldContainer[Send]
    guests: _containers.RepeatedCompositeFieldContainer[Guest]
    export_uj: int
    charge_uj: int
    discharge_uj: int
    deadline_s: float
    self_managed: bool
    remaining_s: float
    missed: bool
    point: int
    recalled: _containers.RepeatedCompositeFieldContainer[Recalled]
    def __init__(self, node_id: _Optional[str] = ..., epoch: _Optional[int] = ..., slot: _Optional[int] = ..., stage: _Optional[_Union[Stage, str]] = ..., awake: bool = ..., own_batches: _Optional[int] = ..., sends: _Optional[_Iterable[_Union[Send, _Mapping]]] = ..., guests: _Optional[_Iterable[_Union[Guest, _Mapping]]] = ..., export_uj: _Optional[int] = ..., charge_uj: _Optional[int] = ..., discharge_uj: _Optional[int] = ..., deadline_s: _Optional[float] = ..., self_managed: bool = ..., remaining_s: _Optional[float] = ..., missed: bool = ..., point: _Optional[int] = ..., recalled: _Optional[_Iterable[_Union[Recalled, _Mapping]]] = ...) -> None: ...

class Answer(_message.Message):
    __slots__ = ("turn", "tokens", "text_bytes")
    TURN_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    TEXT_BYTES_FIELD_NUMBER: _ClassVar[int]
    turn: int
    tokens: _containers.RepeatedScalarFieldContainer[int]
    text_bytes: int
    def __init__(self, turn: _Optional[int] = ..., tokens: _Optional[_Iterable[int]] = ..., text_bytes: _Optional[int] = ...) -> None: ...

class Recalled(_message.Message):
    __slots__ = ("conversation", "turn", "batch_id", "answers", "lost_node", "due", "asked_s")
    CONVERSATION_FIELD_NUMBER: _ClassVar[int]
    TURN_FIELD_NUMBER: _ClassVar[int]
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    LOST_NODE_FIELD_NUMBER: _ClassVar[int]
    DUE_FIELD_NUMBER: _ClassVar[int]
    ASKED_S_FIELD_NUMBER: _ClassVar[int]
    conversation: int
    turn: int
    batch_id: int
    answers: _containers.RepeatedCompositeFieldContainer[Answer]
    lost_node: str
    due: int
    asked_s: float
    def __init__(self, conversation: _Optional[int] = ..., turn: _Optional[int] = ..., batch_id: _Optional[int] = ..., answers: _Optional[_Iterable[_Union[Answer, _Mapping]]] = ..., lost_node: _Optional[str] = ..., due: _Optional[int] = ..., asked_s: _Optional[float] = ...) -> None: ...

class MarketTerms(_message.Message):
    __slots__ = ("kind", "intensity_g_per_kwh", "later_g_per_kwh", "scarcity", "offload_cap_fraction", "transfer_cap_fraction", "net_j_per_byte", "bytes_per_batch", "offloadable", "unit_j", "unit_batches", "unit_g_per_j", "unserved_g", "rho", "work_weight", "relaxation")
    KIND_FIELD_NUMBER: _ClassVar[int]
    INTENSITY_G_PER_KWH_FIELD_NUMBER: _ClassVar[int]
    LATER_G_PER_KWH_FIELD_NUMBER: _ClassVar[int]
    SCARCITY_FIELD_NUMBER: _ClassVar[int]
    OFFLOAD_CAP_FRACTION_FIELD_NUMBER: _ClassVar[int]
    TRANSFER_CAP_FRACTION_FIELD_NUMBER: _ClassVar[int]
    NET_J_PER_BYTE_FIELD_NUMBER: _ClassVar[int]
    BYTES_PER_BATCH_FIELD_NUMBER: _ClassVar[int]
    OFFLOADABLE_FIELD_NUMBER: _ClassVar[int]
    UNIT_J_FIELD_NUMBER: _ClassVar[int]
    UNIT_BATCHES_FIELD_NUMBER: _ClassVar[int]
    UNIT_G_PER_J_FIELD_NUMBER: _ClassVar[int]
    UNSERVED_G_FIELD_NUMBER: _ClassVar[int]
    RHO_FIELD_NUMBER: _ClassVar[int]
    WORK_WEIGHT_FIELD_NUMBER: _ClassVar[int]
    RELAXATION_FIELD_NUMBER: _ClassVar[int]
    kind: MarketKind
    intensity_g_per_kwh: _containers.RepeatedScalarFieldContainer[float]
    later_g_per_kwh: float
    scarcity: _containers.RepeatedScalarFieldContainer[float]
    offload_cap_fraction: float
    transfer_cap_fraction: float
    net_j_per_byte: float
    bytes_per_batch: _containers.RepeatedScalarFieldContainer[float]
    offloadable: _containers.RepeatedScalarFieldContainer[bool]
    unit_j: float
    unit_batches: float
    unit_g_per_j: float
    unserved_g: float
    rho: float
    work_weight: float
    relaxation: float
    def __init__(self, kind: _Optional[_Union[MarketKind, str]] = ..., intensity_g_per_kwh: _Optional[_Iterable[float]] = ..., later_g_per_kwh: _Optional[float] = ..., scarcity: _Optional[_Iterable[float]] = ..., offload_cap_fraction: _Optional[float] = ..., transfer_cap_fraction: _Optional[float] = ..., net_j_per_byte: _Optional[float] = ..., bytes_per_batch: _Optional[_Iterable[float]] = ..., offloadable: _Optional[_Iterable[bool]] = ..., unit_j: _Optional[float] = ..., unit_batches: _Optional[float] = ..., unit_g_per_j: _Optional[float] = ..., unserved_g: _Optional[float] = ..., rho: _Optional[float] = ..., work_weight: _Optional[float] = ..., relaxation: _Optional[float] = ...) -> None: ...

class MarketCall(_message.Message):
    __slots__ = ("node_id", "epoch", "slot", "attempt", "terms")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    TERMS_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    epoch: int
    slot: int
    attempt: int
    terms: MarketTerms
    def __init__(self, node_id: _Optional[str] = ..., epoch: _Optional[int] = ..., slot: _Optional[int] = ..., attempt: _Optional[int] = ..., terms: _Optional[_Union[MarketTerms, _Mapping]] = ...) -> None: ...

class Fill(_message.Message):
    __slots__ = ("good", "side", "price_g", "quantity")
    GOOD_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    PRICE_G_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    good: Good
    side: Side
    price_g: float
    quantity: float
    def __init__(self, good: _Optional[_Union[Good, str]] = ..., side: _Optional[_Union[Side, str]] = ..., price_g: _Optional[float] = ..., quantity: _Optional[float] = ...) -> None: ...

class MarketNews(_message.Message):
    __slots__ = ("node_id", "epoch", "slot", "attempt", "round", "fills", "mean_trades", "rho_factor", "firm")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    FILLS_FIELD_NUMBER: _ClassVar[int]
    MEAN_TRADES_FIELD_NUMBER: _ClassVar[int]
    RHO_FACTOR_FIELD_NUMBER: _ClassVar[int]
    FIRM_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    epoch: int
    slot: int
    attempt: int
    round: int
    fills: _containers.RepeatedCompositeFieldContainer[Fill]
    mean_trades: _containers.RepeatedScalarFieldContainer[float]
    rho_factor: float
    firm: bool
    def __init__(self, node_id: _Optional[str] = ..., epoch: _Optional[int] = ..., slot: _Optional[int] = ..., attempt: _Optional[int] = ..., round: _Optional[int] = ..., fills: _Optional[_Iterable[_Union[Fill, _Mapping]]] = ..., mean_trades: _Optional[_Iterable[float]] = ..., rho_factor: _Optional[float] = ..., firm: bool = ...) -> None: ...

class Quote(_message.Message):
    __slots__ = ("good", "side", "price_g", "quantity")
    GOOD_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    PRICE_G_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    good: Good
    side: Side
    price_g: float
    quantity: float
    def __init__(self, good: _Optional[_Union[Good, str]] = ..., side: _Optional[_Union[Side, str]] = ..., price_g: _Optional[float] = ..., quantity: _Optional[float] = ...) -> None: ...

class Offers(_message.Message):
    __slots__ = ("node_id", "epoch", "slot", "attempt", "round", "quotes", "trades")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    QUOTES_FIELD_NUMBER: _ClassVar[int]
    TRADES_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    epoch: int
    slot: int
    attempt: int
    round: int
    quotes: _containers.RepeatedCompositeFieldContainer[Quote]
    trades: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, node_id: _Optional[str] = ..., epoch: _Optional[int] = ..., slot: _Optional[int] = ..., attempt: _Optional[int] = ..., round: _Optional[int] = ..., quotes: _Optional[_Iterable[_Union[Quote, _Mapping]]] = ..., trades: _Optional[_Iterable[float]] = ...) -> None: ...

class CloseSlot(_message.Message):
    __slots__ = ("epoch", "slot")
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    epoch: int
    slot: int
    def __init__(self, epoch: _Optional[int] = ..., slot: _Optional[int] = ...) -> None: ...

class EnergyLine(_message.Message):
    __slots__ = ("stage", "component", "energy_uj", "provenance")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    COMPONENT_FIELD_NUMBER: _ClassVar[int]
    ENERGY_UJ_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    stage: Stage
    component: Component
    energy_uj: int
    provenance: Provenance
    def __init__(self, stage: _Optional[_Union[Stage, str]] = ..., component: _Optional[_Union[Component, str]] = ..., energy_uj: _Optional[int] = ..., provenance: _Optional[_Union[Provenance, str]] = ...) -> None: ...

class Moved(_message.Message):
    __slots__ = ("peer", "sent", "batches", "payload_bytes")
    PEER_FIELD_NUMBER: _ClassVar[int]
    SENT_FIELD_NUMBER: _ClassVar[int]
    BATCHES_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_BYTES_FIELD_NUMBER: _ClassVar[int]
    peer: str
    sent: bool
    batches: int
    payload_bytes: int
    def __init__(self, peer: _Optional[str] = ..., sent: bool = ..., batches: _Optional[int] = ..., payload_bytes: _Optional[int] = ...) -> None: ...

class Executed(_message.Message):
    __slots__ = ("owner", "batches")
    OWNER_FIELD_NUMBER: _ClassVar[int]
    BATCHES_FIELD_NUMBER: _ClassVar[int]
    owner: str
    batches: int
    def __init__(self, owner: _Optional[str] = ..., batches: _Optional[int] = ...) -> None: ...

class UserTraffic(_message.Message):
    __slots__ = ("owner", "stage", "up_bytes", "down_bytes", "outside")
    OWNER_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    UP_BYTES_FIELD_NUMBER: _ClassVar[int]
    DOWN_BYTES_FIELD_NUMBER: _ClassVar[int]
    OUTSIDE_FIELD_NUMBER: _ClassVar[int]
    owner: str
    stage: Stage
    up_bytes: int
    down_bytes: int
    outside: bool
    def __init__(self, owner: _Optional[str] = ..., stage: _Optional[_Union[Stage, str]] = ..., up_bytes: _Optional[int] = ..., down_bytes: _Optional[int] = ..., outside: bool = ...) -> None: ...

class SleepReport(_message.Message):
    __slots__ = ("asleep", "failed", "wake_s", "wake_uj", "wake_half_width_uj", "provenance")
    ASLEEP_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    WAKE_S_FIELD_NUMBER: _ClassVar[int]
    WAKE_UJ_FIELD_NUMBER: _ClassVar[int]
    WAKE_HALF_WIDTH_UJ_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    asleep: bool
    failed: str
    wake_s: float
    wake_uj: int
    wake_half_width_uj: int
    provenance: Provenance
    def __init__(self, asleep: bool = ..., failed: _Optional[str] = ..., wake_s: _Optional[float] = ..., wake_uj: _Optional[int] = ..., wake_half_width_uj: _Optional[int] = ..., provenance: _Optional[_Union[Provenance, str]] = ...) -> None: ...

class Usage(_message.Message):
    __slots__ = ("node_id", "boot_id", "seq", "epoch", "slot", "lines", "harvest_uj", "executed", "moved", "model_bytes", "mean_loss", "serving", "outside", "unserved_requests", "own_work", "users", "metered", "sleep", "duration_s", "harvest_metered", "requests", "other_waste_uj")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    BOOT_ID_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    HARVEST_UJ_FIELD_NUMBER: _ClassVar[int]
    EXECUTED_FIELD_NUMBER: _ClassVar[int]
    MOVED_FIELD_NUMBER: _ClassVar[int]
    MODEL_BYTES_FIELD_NUMBER: _ClassVar[int]
    MEAN_LOSS_FIELD_NUMBER: _ClassVar[int]
    SERVING_FIELD_NUMBER: _ClassVar[int]
    OUTSIDE_FIELD_NUMBER: _ClassVar[int]
    UNSERVED_REQUESTS_FIELD_NUMBER: _ClassVar[int]
    OWN_WORK_FIELD_NUMBER: _ClassVar[int]
    USERS_FIELD_NUMBER: _ClassVar[int]
    METERED_FIELD_NUMBER: _ClassVar[int]
    SLEEP_FIELD_NUMBER: _ClassVar[int]
    DURATION_S_FIELD_NUMBER: _ClassVar[int]
    HARVEST_METERED_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    OTHER_WASTE_UJ_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    boot_id: str
    seq: int
    epoch: int
    slot: int
    lines: _containers.RepeatedCompositeFieldContainer[EnergyLine]
    harvest_uj: int
    executed: _containers.RepeatedCompositeFieldContainer[Executed]
    moved: _containers.RepeatedCompositeFieldContainer[Moved]
    model_bytes: int
    mean_loss: float
    serving: _containers.RepeatedCompositeFieldContainer[Serving]
    outside: Serving
    unserved_requests: int
    own_work: OwnWork
    users: _containers.RepeatedCompositeFieldContainer[UserTraffic]
    metered: Metered
    sleep: SleepReport
    duration_s: float
    harvest_metered: Metered
    requests: _containers.RepeatedCompositeFieldContainer[ServedRequest]
    other_waste_uj: int
    def __init__(self, node_id: _Optional[str] = ..., boot_id: _Optional[str] = ..., seq: _Optional[int] = ..., epoch: _Optional[int] = ..., slot: _Optional[int] = ..., lines: _Optional[_Iterable[_Union[EnergyLine, _Mapping]]] = ..., harvest_uj: _Optional[int] = ..., executed: _Optional[_Iterable[_Union[Executed, _Mapping]]] = ..., moved: _Optional[_Iterable[_Union[Moved, _Mapping]]] = ..., model_bytes: _Optional[int] = ..., mean_loss: _Optional[float] = ..., serving: _Optional[_Iterable[_Union[Serving, _Mapping]]] = ..., outside: _Optional[_Union[Serving, _Mapping]] = ..., unserved_requests: _Optional[int] = ..., own_work: _Optional[_Union[OwnWork, _Mapping]] = ..., users: _Optional[_Iterable[_Union[UserTraffic, _Mapping]]] = ..., metered: _Optional[_Union[Metered, _Mapping]] = ..., sleep: _Optional[_Union[SleepReport, _Mapping]] = ..., duration_s: _Optional[float] = ..., harvest_metered: _Optional[_Union[Metered, _Mapping]] = ..., requests: _Optional[_Iterable[_Union[ServedRequest, _Mapping]]] = ..., other_waste_uj: _Optional[int] = ...) -> None: ...

class ServedRequest(_message.Message):
    __slots__ = ("owner", "batch_id", "place", "cached_tokens", "prefilled_tokens", "tokens_out", "prefill_uj", "decode_uj", "waste_uj", "half_width_uj", "latency_s", "first_token_s", "token_gap_s", "content_bits", "wire_bytes", "failed", "part", "cache_bytes", "same", "answer", "answer_bytes")
    OWNER_FIELD_NUMBER: _ClassVar[int]
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    PLACE_FIELD_NUMBER: _ClassVar[int]
    CACHED_TOKENS_FIELD_NUMBER: _ClassVar[int]
    PREFILLED_TOKENS_FIELD_NUMBER: _ClassVar[int]
    TOKENS_OUT_FIELD_NUMBER: _ClassVar[int]
    PREFILL_UJ_FIELD_NUMBER: _ClassVar[int]
    DECODE_UJ_FIELD_NUMBER: _ClassVar[int]
    WASTE_UJ_FIELD_NUMBER: _ClassVar[int]
    HALF_WIDTH_UJ_FIELD_NUMBER: _ClassVar[int]
    LATENCY_S_FIELD_NUMBER: _ClassVar[int]
    FIRST_TOKEN_S_FIELD_NUMBER: _ClassVar[int]
    TOKEN_GAP_S_FIELD_NUMBER: _ClassVar[int]
    CONTENT_BITS_FIELD_NUMBER: _ClassVar[int]
    WIRE_BYTES_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    CACHE_BYTES_FIELD_NUMBER: _ClassVar[int]
    SAME_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    ANSWER_BYTES_FIELD_NUMBER: _ClassVar[int]
    owner: str
    batch_id: int
    place: int
    cached_tokens: int
    prefilled_tokens: int
    tokens_out: int
    prefill_uj: int
    decode_uj: int
    waste_uj: int
    half_width_uj: int
    latency_s: float
    first_token_s: float
    token_gap_s: float
    content_bits: int
    wire_bytes: int
    failed: str
    part: RequestPart
    cache_bytes: int
    same: bool
    answer: _containers.RepeatedScalarFieldContainer[int]
    answer_bytes: int
    def __init__(self, owner: _Optional[str] = ..., batch_id: _Optional[int] = ..., place: _Optional[int] = ..., cached_tokens: _Optional[int] = ..., prefilled_tokens: _Optional[int] = ..., tokens_out: _Optional[int] = ..., prefill_uj: _Optional[int] = ..., decode_uj: _Optional[int] = ..., waste_uj: _Optional[int] = ..., half_width_uj: _Optional[int] = ..., latency_s: _Optional[float] = ..., first_token_s: _Optional[float] = ..., token_gap_s: _Optional[float] = ..., content_bits: _Optional[int] = ..., wire_bytes: _Optional[int] = ..., failed: _Optional[str] = ..., part: _Optional[_Union[RequestPart, str]] = ..., cache_bytes: _Optional[int] = ..., same: bool = ..., answer: _Optional[_Iterable[int]] = ..., answer_bytes: _Optional[int] = ...) -> None: ...

class Metered(_message.Message):
    __slots__ = ("kind", "energy_uj", "half_width_uj", "bias_uj", "rate_hz", "coverage_fraction", "gaps", "window_s")
    KIND_FIELD_NUMBER: _ClassVar[int]
    ENERGY_UJ_FIELD_NUMBER: _ClassVar[int]
    HALF_WIDTH_UJ_FIELD_NUMBER: _ClassVar[int]
    BIAS_UJ_FIELD_NUMBER: _ClassVar[int]
    RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    COVERAGE_FRACTION_FIELD_NUMBER: _ClassVar[int]
    GAPS_FIELD_NUMBER: _ClassVar[int]
    WINDOW_S_FIELD_NUMBER: _ClassVar[int]
    kind: MeterKind
    energy_uj: int
    half_width_uj: int
    bias_uj: int
    rate_hz: float
    coverage_fraction: float
    gaps: int
    window_s: float
    def __init__(self, kind: _Optional[_Union[MeterKind, str]] = ..., energy_uj: _Optional[int] = ..., half_width_uj: _Optional[int] = ..., bias_uj: _Optional[int] = ..., rate_hz: _Optional[float] = ..., coverage_fraction: _Optional[float] = ..., gaps: _Optional[int] = ..., window_s: _Optional[float] = ...) -> None: ...

class OwnWork(_message.Message):
    __slots__ = ("own_batches", "backlog_batches")
    OWN_BATCHES_FIELD_NUMBER: _ClassVar[int]
    BACKLOG_BATCHES_FIELD_NUMBER: _ClassVar[int]
    own_batches: int
    backlog_batches: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, own_batches: _Optional[int] = ..., backlog_batches: _Optional[_Iterable[int]] = ...) -> None: ...

class Serving(_message.Message):
    __slots__ = ("service", "requests", "tokens_in", "tokens_out", "bits", "deadline_misses", "latency_p50_s", "latency_p95_s", "latency_p99_s", "latency_bins", "latency_counts", "prefill_s", "decode_s")
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    TOKENS_IN_FIELD_NUMBER: _ClassVar[int]
    TOKENS_OUT_FIELD_NUMBER: _ClassVar[int]
    BITS_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_MISSES_FIELD_NUMBER: _ClassVar[int]
    LATENCY_P50_S_FIELD_NUMBER: _ClassVar[int]
    LATENCY_P95_S_FIELD_NUMBER: _ClassVar[int]
    LATENCY_P99_S_FIELD_NUMBER: _ClassVar[int]
    LATENCY_BINS_FIELD_NUMBER: _ClassVar[int]
    LATENCY_COUNTS_FIELD_NUMBER: _ClassVar[int]
    PREFILL_S_FIELD_NUMBER: _ClassVar[int]
    DECODE_S_FIELD_NUMBER: _ClassVar[int]
    service: str
    requests: int
    tokens_in: int
    tokens_out: int
    bits: int
    deadline_misses: int
    latency_p50_s: float
    latency_p95_s: float
    latency_p99_s: float
    latency_bins: _containers.RepeatedScalarFieldContainer[int]
    latency_counts: _containers.RepeatedScalarFieldContainer[int]
    prefill_s: float
    decode_s: float
    def __init__(self, service: _Optional[str] = ..., requests: _Optional[int] = ..., tokens_in: _Optional[int] = ..., tokens_out: _Optional[int] = ..., bits: _Optional[int] = ..., deadline_misses: _Optional[int] = ..., latency_p50_s: _Optional[float] = ..., latency_p95_s: _Optional[float] = ..., latency_p99_s: _Optional[float] = ..., latency_bins: _Optional[_Iterable[int]] = ..., latency_counts: _Optional[_Iterable[int]] = ..., prefill_s: _Optional[float] = ..., decode_s: _Optional[float] = ...) -> None: ...

class EnergyGrant(_message.Message):
    __slots__ = ("node_id", "epoch", "slot", "export_uj", "import_uj")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    EXPORT_UJ_FIELD_NUMBER: _ClassVar[int]
    IMPORT_UJ_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    epoch: int
    slot: int
    export_uj: int
    import_uj: int
    def __init__(self, node_id: _Optional[str] = ..., epoch: _Optional[int] = ..., slot: _Optional[int] = ..., export_uj: _Optional[int] = ..., import_uj: _Optional[int] = ...) -> None: ...

class Settlement(_message.Message):
    __slots__ = ("node_id", "boot_id", "seq", "epoch", "slot", "demand_uj", "grid_uj", "green_uj", "harvest_uj", "charge_uj", "charge_loss_uj", "discharge_uj", "discharge_loss_uj", "self_discharge_uj", "export_uj", "import_uj", "curtailed_uj", "battery_before_uj", "battery_after_uj")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    BOOT_ID_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    DEMAND_UJ_FIELD_NUMBER: _ClassVar[int]
    GRID_UJ_FIELD_NUMBER: _ClassVar[int]
    GREEN_UJ_FIELD_NUMBER: _ClassVar[int]
    HARVEST_UJ_FIELD_NUMBER: _ClassVar[int]
    CHARGE_UJ_FIELD_NUMBER: _ClassVar[int]
    CHARGE_LOSS_UJ_FIELD_NUMBER: _ClassVar[int]
    DISCHARGE_UJ_FIELD_NUMBER: _ClassVar[int]
    DISCHARGE_LOSS_UJ_FIELD_NUMBER: _ClassVar[int]
    SELF_DISCHARGE_UJ_FIELD_NUMBER: _ClassVar[int]
    EXPORT_UJ_FIELD_NUMBER: _ClassVar[int]
    IMPORT_UJ_FIELD_NUMBER: _ClassVar[int]
    CURTAILED_UJ_FIELD_NUMBER: _ClassVar[int]
    BATTERY_BEFORE_UJ_FIELD_NUMBER: _ClassVar[int]
    BATTERY_AFTER_UJ_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    boot_id: str
    seq: int
    epoch: int
    slot: int
    demand_uj: int
    grid_uj: int
    green_uj: int
    harvest_uj: int
    charge_uj: int
    charge_loss_uj: int
    discharge_uj: int
    discharge_loss_uj: int
    self_discharge_uj: int
    export_uj: int
    import_uj: int
    curtailed_uj: int
    battery_before_uj: int
    battery_after_uj: int
    def __init__(self, node_id: _Optional[str] = ..., boot_id: _Optional[str] = ..., seq: _Optional[int] = ..., epoch: _Optional[int] = ..., slot: _Optional[int] = ..., demand_uj: _Optional[int] = ..., grid_uj: _Optional[int] = ..., green_uj: _Optional[int] = ..., harvest_uj: _Optional[int] = ..., charge_uj: _Optional[int] = ..., charge_loss_uj: _Optional[int] = ..., discharge_uj: _Optional[int] = ..., discharge_loss_uj: _Optional[int] = ..., self_discharge_uj: _Optional[int] = ..., export_uj: _Optional[int] = ..., import_uj: _Optional[int] = ..., curtailed_uj: _Optional[int] = ..., battery_before_uj: _Optional[int] = ..., battery_after_uj: _Optional[int] = ...) -> None: ...

class Ack(_message.Message):
    __slots__ = ("node_id", "seq")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    seq: int
    def __init__(self, node_id: _Optional[str] = ..., seq: _Optional[int] = ...) -> None: ...

class Refusal(_message.Message):
    __slots__ = ("code", "reason")
    CODE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    code: str
    reason: str
    def __init__(self, code: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class Tensor(_message.Message):
    __slots__ = ("name", "dtype", "shape", "data")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DTYPE_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    name: str
    dtype: str
    shape: _containers.RepeatedScalarFieldContainer[int]
    data: bytes
    def __init__(self, name: _Optional[str] = ..., dtype: _Optional[str] = ..., shape: _Optional[_Iterable[int]] = ..., data: _Optional[bytes] = ...) -> None: ...

class Parcel(_message.Message):
    __slots__ = ("run_id", "epoch", "slot", "owner", "executor", "batch_ids", "tensors", "batch_sizes", "batch_services", "prompts")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    EXECUTOR_FIELD_NUMBER: _ClassVar[int]
    BATCH_IDS_FIELD_NUMBER: _ClassVar[int]
    TENSORS_FIELD_NUMBER: _ClassVar[int]
    BATCH_SIZES_FIELD_NUMBER: _ClassVar[int]
    BATCH_SERVICES_FIELD_NUMBER: _ClassVar[int]
    PROMPTS_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    epoch: int
    slot: int
    owner: str
    executor: str
    batch_ids: _containers.RepeatedScalarFieldContainer[int]
    tensors: _containers.RepeatedCompositeFieldContainer[Tensor]
    batch_sizes: _containers.RepeatedScalarFieldContainer[int]
    batch_services: _containers.RepeatedScalarFieldContainer[int]
    prompts: _containers.RepeatedCompositeFieldContainer[HandedPrompt]
    def __init__(self, run_id: _Optional[str] = ..., epoch: _Optional[int] = ..., slot: _Optional[int] = ..., owner: _Optional[str] = ..., executor: _Optional[str] = ..., batch_ids: _Optional[_Iterable[int]] = ..., tensors: _Optional[_Iterable[_Union[Tensor, _Mapping]]] = ..., batch_sizes: _Optional[_Iterable[int]] = ..., batch_services: _Optional[_Iterable[int]] = ..., prompts: _Optional[_Iterable[_Union[HandedPrompt, _Mapping]]] = ...) -> None: ...

class HandedPrompt(_message.Message):
    __slots__ = ("batch_id", "place", "tokens", "first_token", "first_text", "read_s", "kin", "sha256", "cache")
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    PLACE_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    FIRST_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FIRST_TEXT_FIELD_NUMBER: _ClassVar[int]
    READ_S_FIELD_NUMBER: _ClassVar[int]
    KIN_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    CACHE_FIELD_NUMBER: _ClassVar[int]
    batch_id: int
    place: int
    tokens: int
    first_token: int
    first_text: bytes
    read_s: float
    kin: str
    sha256: str
    cache: bytes
    def __init__(self, batch_id: _Optional[int] = ..., place: _Optional[int] = ..., tokens: _Optional[int] = ..., first_token: _Optional[int] = ..., first_text: _Optional[bytes] = ..., read_s: _Optional[float] = ..., kin: _Optional[str] = ..., sha256: _Optional[str] = ..., cache: _Optional[bytes] = ...) -> None: ...

class ParcelHead(_message.Message):
    __slots__ = ("run_id", "epoch", "slot", "owner", "executor", "payload_bytes")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    EXECUTOR_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_BYTES_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    epoch: int
    slot: int
    owner: str
    executor: str
    payload_bytes: int
    def __init__(self, run_id: _Optional[str] = ..., epoch: _Optional[int] = ..., slot: _Optional[int] = ..., owner: _Optional[str] = ..., executor: _Optional[str] = ..., payload_bytes: _Optional[int] = ...) -> None: ...

class Receipt(_message.Message):
    __slots__ = ("accepted", "payload_bytes", "reason")
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_BYTES_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    accepted: bool
    payload_bytes: int
    reason: str
    def __init__(self, accepted: bool = ..., payload_bytes: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class InferRequest(_message.Message):
    __slots__ = ("request_id", "node_id", "tensors")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    TENSORS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    node_id: str
    tensors: _containers.RepeatedCompositeFieldContainer[Tensor]
    def __init__(self, request_id: _Optional[str] = ..., node_id: _Optional[str] = ..., tensors: _Optional[_Iterable[_Union[Tensor, _Mapping]]] = ...) -> None: ...

class InferAnswer(_message.Message):
    __slots__ = ("request_id", "node_id", "tensors", "tokens_in", "tokens_out", "queue_s", "service_s", "batch_examples")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    TENSORS_FIELD_NUMBER: _ClassVar[int]
    TOKENS_IN_FIELD_NUMBER: _ClassVar[int]
    TOKENS_OUT_FIELD_NUMBER: _ClassVar[int]
    QUEUE_S_FIELD_NUMBER: _ClassVar[int]
    SERVICE_S_FIELD_NUMBER: _ClassVar[int]
    BATCH_EXAMPLES_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    node_id: str
    tensors: _containers.RepeatedCompositeFieldContainer[Tensor]
    tokens_in: int
    tokens_out: int
    queue_s: float
    service_s: float
    batch_examples: int
    def __init__(self, request_id: _Optional[str] = ..., node_id: _Optional[str] = ..., tensors: _Optional[_Iterable[_Union[Tensor, _Mapping]]] = ..., tokens_in: _Optional[int] = ..., tokens_out: _Optional[int] = ..., queue_s: _Optional[float] = ..., service_s: _Optional[float] = ..., batch_examples: _Optional[int] = ...) -> None: ...

class BeginSlotRequest(_message.Message):
    __slots__ = ("slot", "stage", "wait_s")
    SLOT_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    WAIT_S_FIELD_NUMBER: _ClassVar[int]
    slot: int
    stage: Stage
    wait_s: float
    def __init__(self, slot: _Optional[int] = ..., stage: _Optional[_Union[Stage, str]] = ..., wait_s: _Optional[float] = ...) -> None: ...

class SlotPlan(_message.Message):
    __slots__ = ("epoch", "slot", "decisions", "lost_nodes", "status", "gap_fraction", "decide_s")
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    LOST_NODES_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    GAP_FRACTION_FIELD_NUMBER: _ClassVar[int]
    DECIDE_S_FIELD_NUMBER: _ClassVar[int]
    epoch: int
    slot: int
    decisions: _containers.RepeatedCompositeFieldContainer[Decision]
    lost_nodes: _containers.RepeatedScalarFieldContainer[str]
    status: str
    gap_fraction: float
    decide_s: float
    def __init__(self, epoch: _Optional[int] = ..., slot: _Optional[int] = ..., decisions: _Optional[_Iterable[_Union[Decision, _Mapping]]] = ..., lost_nodes: _Optional[_Iterable[str]] = ..., status: _Optional[str] = ..., gap_fraction: _Optional[float] = ..., decide_s: _Optional[float] = ...) -> None: ...

class EndSlotRequest(_message.Message):
    __slots__ = ("slot", "wait_s", "aggregated_parameters", "evaluated_examples")
    SLOT_FIELD_NUMBER: _ClassVar[int]
    WAIT_S_FIELD_NUMBER: _ClassVar[int]
    AGGREGATED_PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    EVALUATED_EXAMPLES_FIELD_NUMBER: _ClassVar[int]
    slot: int
    wait_s: float
    aggregated_parameters: int
    evaluated_examples: int
    def __init__(self, slot: _Optional[int] = ..., wait_s: _Optional[float] = ..., aggregated_parameters: _Optional[int] = ..., evaluated_examples: _Optional[int] = ...) -> None: ...

class SlotSummary(_message.Message):
    __slots__ = ("slot", "grid_uj", "green_uj", "demand_uj", "moved_batches", "transferred_uj", "executed_batches", "unserved_batches", "settled_nodes", "missing_nodes", "emissions_pg")
    SLOT_FIELD_NUMBER: _ClassVar[int]
    GRID_UJ_FIELD_NUMBER: _ClassVar[int]
    GREEN_UJ_FIELD_NUMBER: _ClassVar[int]
    DEMAND_UJ_FIELD_NUMBER: _ClassVar[int]
    MOVED_BATCHES_FIELD_NUMBER: _ClassVar[int]
    TRANSFERRED_UJ_FIELD_NUMBER: _ClassVar[int]
    EXECUTED_BATCHES_FIELD_NUMBER: _ClassVar[int]
    UNSERVED_BATCHES_FIELD_NUMBER: _ClassVar[int]
    SETTLED_NODES_FIELD_NUMBER: _ClassVar[int]
    MISSING_NODES_FIELD_NUMBER: _ClassVar[int]
    EMISSIONS_PG_FIELD_NUMBER: _ClassVar[int]
    slot: int
    grid_uj: int
    green_uj: int
    demand_uj: int
    moved_batches: int
    transferred_uj: int
    executed_batches: int
    unserved_batches: int
    settled_nodes: _containers.RepeatedScalarFieldContainer[str]
    missing_nodes: _containers.RepeatedScalarFieldContainer[str]
    emissions_pg: int
    def __init__(self, slot: _Optional[int] = ..., grid_uj: _Optional[int] = ..., green_uj: _Optional[int] = ..., demand_uj: _Optional[int] = ..., moved_batches: _Optional[int] = ..., transferred_uj: _Optional[int] = ..., executed_batches: _Optional[int] = ..., unserved_batches: _Optional[int] = ..., settled_nodes: _Optional[_Iterable[str]] = ..., missing_nodes: _Optional[_Iterable[str]] = ..., emissions_pg: _Optional[int] = ...) -> None: ...

class StatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Status(_message.Message):
    __slots__ = ("run_id", "epoch", "next_slot", "nodes", "live_nodes", "pid")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    NEXT_SLOT_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    LIVE_NODES_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    epoch: int
    next_slot: int
    nodes: _containers.RepeatedScalarFieldContainer[str]
    live_nodes: _containers.RepeatedScalarFieldContainer[str]
    pid: int
    def __init__(self, run_id: _Optional[str] = ..., epoch: _Optional[int] = ..., next_slot: _Optional[int] = ..., nodes: _Optional[_Iterable[str]] = ..., live_nodes: _Optional[_Iterable[str]] = ..., pid: _Optional[int] = ...) -> None: ...

class ReportQuery(_message.Message):
    __slots__ = ("node_id",)
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    def __init__(self, node_id: _Optional[str] = ...) -> None: ...

class ReportLine(_message.Message):
    __slots__ = ("node_id", "stage", "component", "energy_uj", "emissions_pg")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    COMPONENT_FIELD_NUMBER: _ClassVar[int]
    ENERGY_UJ_FIELD_NUMBER: _ClassVar[int]
    EMISSIONS_PG_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    stage: Stage
    component: Component
    energy_uj: int
    emissions_pg: int
    def __init__(self, node_id: _Optional[str] = ..., stage: _Optional[_Union[Stage, str]] = ..., component: _Optional[_Union[Component, str]] = ..., energy_uj: _Optional[int] = ..., emissions_pg: _Optional[int] = ...) -> None: ...

class Report(_message.Message):
    __slots__ = ("run_id", "lines", "tokens_out", "bits", "requests", "labels", "tokens_in")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    TOKENS_OUT_FIELD_NUMBER: _ClassVar[int]
    BITS_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    TOKENS_IN_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    lines: _containers.RepeatedCompositeFieldContainer[ReportLine]
    tokens_out: int
    bits: int
    requests: int
    labels: _containers.ScalarMap[str, str]
    tokens_in: int
    def __init__(self, run_id: _Optional[str] = ..., lines: _Optional[_Iterable[_Union[ReportLine, _Mapping]]] = ..., tokens_out: _Optional[int] = ..., bits: _Optional[int] = ..., requests: _Optional[int] = ..., labels: _Optional[_Mapping[str, str]] = ..., tokens_in: _Optional[int] = ...) -> None: ...
