"""Energy lines of what no node meters: network, users' devices, coordinator, router. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from carbon_data.storage import Balance
from coordinator.slots.booking import BookingContext, booking
from coordinator.slots.delivered import Counted
from coordinator.slots.lines import Parcels, UsersEnd, market_line, own_lines, parcel_line
from edge_node.config import BoardConfig
from edge_node.energy.power_model import PowerModel
from edge_node.meters.base import Slot
from edge_node.meters.window import Window
from protos.messages.slot import EnergyLine, Executed, Usage, UserTraffic
from protos.messages.terms import Component, Stage

DIRTY, CLEAN = 432.0, 72.0
NET_J_PER_BYTE = 3e-6
BOARD = BoardConfig(
    name="by hand",
    static_w=2.7,
    busy_w=6.4,
    sleep_w=0.3,
    wake_j=3.1,
    wake_s=0.9,
    effective_flop_per_s=5e9,
    tx_j_per_byte=1.2e-7,
    rx_j_per_byte=0.7e-7,
    storage_bytes=1_000,
)


def metered(window: Window, slot: Slot, slot_s: float = 10.0) -> tuple[EnergyLine, ...]:
    energies = window.modelled_uj(PowerModel(BOARD), slot, slot_s)
    return tuple(EnergyLine(stage, part, energy, "modelled") for (stage, part), energy in energies.items())


def grams(
    lines: Sequence[EnergyLine],
    *,
    grid_share: float = 1.0,
    counted: Counted | None = None,
    users: Sequence[UserTraffic] = (),
    model_bytes: int = 0,
    stage: Stage = Stage.APPLICATION,
) -> dict[tuple[str, str, str, str], tuple[int, int]]:
    """(uJ, pg) booked by holder, zone, stage and component, for a node n0 in the dirty zone."""
    demand = sum(line.energy_uj for line in lines)
    grid = round(demand * grid_share)
    balance = Balance(
        **{
            **dict.fromkeys(Balance.__slots__, 0),
            "demand_uj": demand,
            "grid_uj": grid,
            "green_uj": demand - grid,
            "harvest_uj": demand - grid,
        }
    )
    executed = counted if counted is not None else Counted(5, 0)
    usage = Usage(
        *("n0", "boot", 1, 1, 3, tuple(lines), 0),
        (Executed("n0", executed.executed + executed.wasted),),
        (),
        model_bytes,
        users=tuple(users),
    )
    ends = {
        "n0": UsersEnd("DIRTY", DIRTY, BOARD.tx_j_per_byte, BOARD.rx_j_per_byte),
        "n1": UsersEnd("CLEAN", CLEAN, 1.5e-7, 0.9e-7),
    }
    context = BookingContext(stage, "DIRTY", DIRTY, NET_J_PER_BYTE, (), executed, ends)
    body = booking(usage, balance, context).body
    return {
        (line["node_id"], line["zone"], line["stage"], line["component"]): (
            line["energy_uj"],
            line["operational_pg"],
        )
        for line in body["lines"]
    }


def test_compute_and_static_power_of_busy_and_idle_time() -> None:
    """4 s of work above 2.7 W at 6.4 W: 4 * 3.7 = 14.8 J -> 14.8e6 uJ * 120 pg = 1.776 mg. Static power of those 4 s,
    10.8 J -> 1.296 mg, is the stage's; that of the other 6 s, 16.2 J -> 1.944 mg, is idle."""
    window = Window()
    window.work(Stage.DEVELOPMENT, 4.0, 4.0 * 3.7, wasted=False)
    found = grams(metered(window, Slot(3, Stage.DEVELOPMENT, True, False)), stage=Stage.DEVELOPMENT)
    assert found == {
        ("n0", "DIRTY", "development", "compute"): (14_800_000, 1_776_000_000),
        ("n0", "DIRTY", "development", "static"): (10_800_000, 1_296_000_000),
        ("n0", "DIRTY", "unallocated", "static"): (16_200_000, 1_944_000_000),
    }


def test_green_energy_takes_its_share_of_every_line() -> None:
    """A quarter of 41.8 J from the grid: every line has a quarter of its grams."""
    window = Window()
    window.work(Stage.DEVELOPMENT, 4.0, 4.0 * 3.7, wasted=False)
    found = grams(metered(window, Slot(3, Stage.DEVELOPMENT, True, False)), grid_share=0.25)
    assert found["n0", "DIRTY", "development", "compute"] == (14_800_000, 444_000_000)
    assert found["n0", "DIRTY", "unallocated", "static"] == (16_200_000, 486_000_000)


def test_sleep_and_waking() -> None:
    """Asleep 10 s at 0.3 W: 3 J -> 360 ug. Woken: 3.1 J for waking -> 372 ug, of the slot's stage, beside 27 J idle."""
    asleep = grams(metered(Window(), Slot(3, Stage.RECYCLING, False, False)))
    assert asleep == {("n0", "DIRTY", "unallocated", "sleep"): (3_000_000, 360_000_000)}
    woken = grams(metered(Window(), Slot(4, Stage.RECYCLING, True, True)))
    assert woken == {
        ("n0", "DIRTY", "unallocated", "static"): (27_000_000, 3_240_000_000),
        ("n0", "DIRTY", "recycling", "wake"): (3_100_000, 372_000_000),
    }


def test_waking_has_its_share_of_a_measured_total() -> None:
    """35.95 J measured in 10 s. Static power takes 27 J; of 8.95 J beside it the model would give 14.8 J to computing
    and 3.1 J to waking, 17.9 J: half of each, 7.4 J and 1.55 J."""
    window = Window()
    window.work(Stage.DEVELOPMENT, 4.0, 4.0 * 3.7, wasted=False)
    slot = Slot(3, Stage.DEVELOPMENT, True, True)
    assert window.measured_uj(35_950_000, PowerModel(BOARD), slot, 10.0) == {
        (Stage.UNALLOCATED, Component.STATIC): 16_200_000,
        (Stage.DEVELOPMENT, Component.STATIC): 10_800_000,
        (Stage.DEVELOPMENT, Component.COMPUTE): 7_400_000,
        (Stage.DEVELOPMENT, Component.WAKE): 1_550_000,
    }


def test_radio_sent_and_received_and_a_markets_messages() -> None:
    """250,000 B sent at 0.12 uJ: 30,000 uJ -> 3.6 ug. 900,000 B received at 0.07 uJ: 63,000 uJ -> 7.56 ug. A market's
    1,000 B out and 3,000 B in: 120 + 210 = 330 uJ -> 39,600 pg."""
    window = Window()
    window.radio(Stage.DEVELOPMENT, 250_000, 900_000)
    window.radio(Stage.DEVELOPMENT, 1_000, 3_000, negotiation=True)
    found = grams(metered(window, Slot(3, Stage.DEVELOPMENT, True, False)))
    assert found["n0", "DIRTY", "development", "radio_tx"] == (30_000, 3_600_000)
    assert found["n0", "DIRTY", "development", "radio_rx"] == (63_000, 7_560_000)
    assert found["n0", "DIRTY", "development", "negotiation"] == (330, 39_600)


def test_waste() -> None:
    """Two of five batches had counted elsewhere: 2/5 of 14.8 J = 5.92 J -> 710.4 ug of waste, 8.88 J stay computing.
    Work thrown away by the node itself, 1.5 J, is waste in the reading already."""
    window = Window()
    window.work(Stage.DEVELOPMENT, 4.0, 14.8, wasted=False)
    window.work(Stage.RECYCLING, 0.5, 1.5, wasted=True)
    found = grams(
        metered(window, Slot(3, Stage.DEVELOPMENT, True, False)),
        counted=Counted(3, 2),
        stage=Stage.DEVELOPMENT,
    )
    assert found["n0", "DIRTY", "development", "waste"] == (5_920_000, 710_400_000)
    assert found["n0", "DIRTY", "development", "compute"] == (8_880_000, 1_065_600_000)
    assert found["n0", "DIRTY", "recycling", "waste"] == (1_500_000, 180_000_000)


IDLE = (EnergyLine(Stage.UNALLOCATED, Component.STATIC, 7, "modelled"),)


def test_models_in_the_network() -> None:
    """636,040 B at 3 uJ: 1.90812 J at the node's own intensity -> 228.9744 ug."""
    found = grams(IDLE, model_bytes=636_040, stage=Stage.DEVELOPMENT)
    assert found["network", "DIRTY", "development", "network"] == (1_908_120, 228_974_400)


def test_requests_and_answers_of_ones_own_users() -> None:
    """90,000 B asked and 1,200 B answered. Devices send at 0.12 uJ: 10,800 uJ -> 1.296 ug, and receive at 0.07 uJ:
    84 uJ -> 10,080 pg. The network carries 91,200 B at 3 uJ: 273,600 uJ -> 32.832 ug. All in the dirty zone."""
    found = grams(IDLE, users=[UserTraffic("n0", Stage.APPLICATION, 90_000, 1_200)])
    assert found["devices", "DIRTY", "application", "radio_tx"] == (10_800, 1_296_000)
    assert found["devices", "DIRTY", "application", "radio_rx"] == (84, 10_080)
    assert found["network", "DIRTY", "application", "network"] == (273_600, 32_832_000)


def test_answers_to_the_users_of_another_node() -> None:
    """500 B to users of a node in the clean zone, whose devices receive at 0.09 uJ: 45 uJ at 20 pg -> 900 pg. The
    network between the zones: 1,500 uJ at the mean of both ends, 70 pg -> 105,000 pg."""
    found = grams(IDLE, users=[UserTraffic("n1", Stage.APPLICATION, 0, 500)])
    assert found["devices", "CLEAN", "application", "radio_rx"] == (45, 900)
    assert found["network", "CLEAN+DIRTY", "application", "network"] == (1_500, 105_000)
    assert ("devices", "CLEAN", "application", "radio_tx") not in found


def test_data_to_be_prepared() -> None:
    """48,000 B of images and labels: devices 5,760 uJ -> 691,200 pg, network 144,000 uJ -> 17.28 ug."""
    found = grams(IDLE, users=[UserTraffic("n0", Stage.PREPARATION, 48_000, 0)], stage=Stage.PREPARATION)
    assert found["devices", "DIRTY", "preparation", "radio_tx"] == (5_760, 691_200)
    assert found["network", "DIRTY", "preparation", "network"] == (144_000, 17_280_000)


def test_outside_clients_in_a_slot_of_training_are_application() -> None:
    """7,840 B asked, 120 B answered: devices 941 uJ (940.8) -> 112,920 pg; network 23,880 uJ -> 2,865,600 pg."""
    found = grams(
        IDLE,
        users=[UserTraffic("n0", Stage.APPLICATION, 7_840, 120, outside=True)],
        stage=Stage.DEVELOPMENT,
    )
    assert found["devices", "DIRTY", "application", "radio_tx"] == (941, 112_920)
    assert found["network", "DIRTY", "application", "network"] == (23_880, 2_865_600)


def test_a_moved_batch_in_the_network() -> None:
    """48,000 B between the zones: 0.144 J at the mean of both ends, 70 pg -> 10.08 ug."""
    ends = {"n0": ("DIRTY", DIRTY), "n1": ("CLEAN", CLEAN)}
    (line,) = parcel_line(Parcels("n0", "n1", 2, 48_000), Stage.DEVELOPMENT, ends, NET_J_PER_BYTE)
    assert (line["node_id"], line["zone"], line["component"]) == ("network", "DIRTY+CLEAN", "network")
    assert (line["energy_uj"], line["operational_pg"]) == (144_000, 10_080_000)


def test_a_markets_messages_in_the_network() -> None:
    """4,000 B at 3 uJ between the zones: 12,000 uJ at 70 pg -> 840,000 pg."""
    (line,) = market_line("DIRTY", "CLEAN", 4_000, Stage.DEVELOPMENT, (DIRTY + CLEAN) / 2, NET_J_PER_BYTE)
    assert (line["node_id"], line["zone"], line["component"]) == ("network", "DIRTY+CLEAN", "negotiation")
    assert (line["energy_uj"], line["operational_pg"]) == (12_000, 840_000)


def test_coordinator_and_router() -> None:
    """180 J and 77 J at 20 pg/uJ: 3.6 mg and 1.54 mg."""
    one, two = own_lines(Stage.DEVELOPMENT, "CLEAN", CLEAN, 180_000_000, 77_000_000)
    assert (one["node_id"], one["component"], one["operational_pg"]) == (
        "coordinator",
        "coordinator",
        3_600_000_000,
    )
    assert (two["node_id"], two["component"], two["operational_pg"]) == ("router", "router", 1_540_000_000)
