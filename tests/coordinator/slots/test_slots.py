"""Recovery: a coordinator that restarts on its ledger has the state of the one before, at any point of its end."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from carbon_data.types import DataError
from coordinator.ledger import Ledger, LedgerLockedError, Unit, verify
from coordinator.policies.deta import Deta
from coordinator.policies.local import Local
from coordinator.policies.registry import make_policy
from coordinator.slots.books import Books
from coordinator.slots.postings import adjustment
from protos.messages.runner import BeginSlot, EndSlot
from protos.messages.slot import Telemetry, Usage
from protos.messages.stream import Ack
from protos.messages.terms import Stage


def ledger_totals(config: Any) -> dict[tuple[str, Unit], int]:
    with Ledger(config.ledger_path, config.run_id) as ledger:
        books = Books(config)
        for stored in ledger.entries():
            books.apply(stored.entry)
    return books.balances


@pytest.mark.parametrize("point", ["begun", "closing", "usage", "trade", "settling", "finished"])
def test_restart_at_any_point_of_a_slot_changes_nothing_in_the_books(
    tmp_path: Path, kit: Any, point: str
) -> None:
    def run(folder: Path, restart_at: str) -> dict[tuple[str, Unit], int]:
        bench = kit.Bench(kit.make_config(folder, nodes=4), make_policy("deta"))
        bench.join()
        bench.run_slot(0)
        begin, end = BeginSlot(1, Stage.DEVELOPMENT, 1.0), EndSlot(1, 1.0, 1000, 10)
        plan = bench.coordinator.begin_slot(begin)

        def restart(name: str) -> None:
            if name != restart_at:
                return
            bench.restart()
            bench.join()
            assert bench.coordinator.service.books.epoch == 2
            assert bench.coordinator.begin_slot(begin) == plan

        restart("begun")
        service = bench.coordinator.service
        if restart_at == "closing":
            service.closing.close(end)
            restart("closing")
        if restart_at in ("usage", "trade", "settling"):
            slow = set() if restart_at != "settling" else {"n01", "n03"}
            bench.drop = lambda node, message: not isinstance(message, Usage) and (node in slow or not slow)
            bench.coordinator.carry_out(service.closing.close(end)[1])
            if restart_at != "usage":
                bench.coordinator.carry_out(service.closing.trade())
            bench.drop = lambda node, message: False
            restart(restart_at)
        summary = bench.coordinator.end_slot(end)
        restart("finished")
        assert bench.coordinator.end_slot(end) == summary
        assert len(summary.settled_nodes) == 4
        bench.run_slot(2)
        assert all(stub.executed_twice == 0 for stub in bench.nodes.values())
        bench.close()
        report = verify(bench.config.ledger_path)
        assert report.ok, report.findings
        assert report.notices == []
        return ledger_totals(bench.config)

    assert run(tmp_path / "a", point) == run(tmp_path / "b", "never")


class Counter(Local):
    """A policy with state: which node sleeps through the round goes round."""

    name = "counter"

    def init(self, seed: int) -> Any:
        return np.random.default_rng(seed)

    def decide(self, fleet: Any, state: Any) -> Any:
        state = np.random.Generator(type(state.bit_generator)(0)) if state is None else state
        import copy

        following = copy.deepcopy(state)
        decision, _ = super().decide(fleet, None)
        selected = np.ones(fleet.size, dtype=bool)
        selected[following.integers(fleet.size)] = False
        return dataclasses.replace(decision, selected=selected), following


def test_policy_with_state_goes_on_as_if_nothing_had_happened(tmp_path: Path, kit: Any) -> None:
    def run(folder: Path, restarts: bool) -> list[Any]:
        bench = kit.Bench(kit.make_config(folder, nodes=5, slots=8), Counter())
        bench.join()
        chosen = []
        for slot in range(8):
            if restarts and slot in (3, 4, 6):
                bench.restart()
                bench.join()
            bench.run_slot(slot)
            chosen.append(bench.coordinator.service.books.slots[slot].selected)
        bench.close()
        return chosen

    whole = run(tmp_path / "a", restarts=False)
    assert len(set(whole)) > 1
    assert run(tmp_path / "b", restarts=True) == whole


class CountingDeta(Deta):
    """DETA that counts how often it decides."""

    def __init__(self) -> None:
        super().__init__()
        object.__setattr__(self, "decided", [])

    def decide(self, fleet: Any, state: Any) -> Any:
        decision, following = super().decide(fleet, state)
        self.decided.append((fleet.slot, following))  # type: ignore[attr-defined]
        return decision, following


def test_hub_prices_are_the_same_after_a_restart_without_deciding_again(tmp_path: Path, kit: Any) -> None:
    """With a horizon of one slot DETA values stored energy at the prices of the last plan, made every two slots here;
    a restarted coordinator finds them from the ledger's slots."""
    told = {"slots": 7, "horizon_slots": 1, "known_slots": 4, "day_slots": 8}
    runs = []
    for name, restarts in (("whole", ()), ("broken", (1, 3, 4))):
        policy = CountingDeta()
        bench = kit.Bench(kit.make_config(tmp_path / name, **told), policy)
        bench.join()
        for slot in range(6):
            if slot in restarts:
                before = len(policy.decided)  # type: ignore[attr-defined]
                bench.restart()
                bench.join()
                assert len(policy.decided) == before  # type: ignore[attr-defined]
            bench.run_slot(slot)
        bench.close()
        runs.append(policy.decided)  # type: ignore[attr-defined]
    whole, broken = runs
    assert [slot for slot, _ in whole] == [slot for slot, _ in broken] == list(range(6))
    assert [state.slot for _, state in whole] == [0, 0, 2, 2, 4, 4]
    for (_, one), (_, other) in zip(whole, broken, strict=True):
        assert one.slot == other.slot
        np.testing.assert_array_equal(one.price_g_per_j, other.price_g_per_j)
        np.testing.assert_array_equal(one.load_j, other.load_j)


def test_nodes_of_the_ledger_have_one_lease_to_come_back(tmp_path: Path, kit: Any) -> None:
    bench = kit.Bench(kit.make_config(tmp_path), make_policy("local"))
    bench.join()
    bench.run_slot(0)
    bench.restart()
    service = bench.coordinator.service
    assert set(service.sessions.live()) == set(bench.nodes)
    assert service.deciding.awaiting_telemetry() == ()  # sent before the restart, and durable
    assert service.deciding.awaiting_telemetry(("n00",)) == ()
    assert service.deciding.is_ready()
    bench.now += bench.config.lease_s + 0.1
    assert service.sessions.live() == ()
    assert not service.deciding.is_ready()
    bench.close()


def test_another_configuration_on_the_same_ledger_is_refused(tmp_path: Path, kit: Any) -> None:
    config = kit.make_config(tmp_path)
    bench = kit.Bench(config, make_policy("local"))
    bench.close()
    bench.config = config.model_copy(update={"slot_s": 61.0})
    with pytest.raises(DataError, match="slot_s differ"):
        bench.restart()


def test_two_coordinators_cannot_hold_one_ledger(tmp_path: Path, kit: Any) -> None:
    bench = kit.Bench(kit.make_config(tmp_path), make_policy("local"))
    with pytest.raises(LedgerLockedError, match="another coordinator"):
        Ledger(bench.config.ledger_path, bench.config.run_id)
    bench.close()


def test_a_battery_may_differ_once_after_a_reboot_and_never_without_one(tmp_path: Path, kit: Any) -> None:
    bench = kit.Bench(kit.make_config(tmp_path, nodes=3), make_policy("local"))
    bench.join()
    bench.run_slot(0)
    held = bench.coordinator.service.books.battery_uj("n01")

    def report(boot: str, battery_uj: int) -> list[str]:
        """Codes of the refusals that a node of this boot gets for its battery's content."""
        stub = kit.StubNode("n01", boot_id=boot)
        stub.battery_uj, stub.slot = battery_uj, 0
        bench.nodes["n01"] = stub
        bench.join("n01")
        return [refusal.code for refusal in stub.refusals]

    assert report("boot2", held - 1_000_003) == []
    bench.run_slot(1)
    books = bench.coordinator.service.books
    adjusted = books.balances["node/n01/adjustment", Unit.MICROJOULES]
    assert adjusted == 1_000_003
    assert not books.nodes["n01"].uncertain
    # The same boot says another figure: nothing explains it.
    stub = bench.nodes["n01"]
    telemetry = dataclasses.replace(books.waiting["n01"], seq=stub.seq + 1, battery_uj=stub.battery_uj + 7)
    bench.coordinator.receive("n01", telemetry)
    assert [refusal.code for refusal in stub.refusals] == ["battery_discontinuous"]
    assert books.balances["node/n01/adjustment", Unit.MICROJOULES] == adjusted
    bench.close()
    report_ = verify(bench.config.ledger_path)
    assert report_.ok, report_.findings


def test_a_new_start_brings_its_own_profile_and_numbers_and_takes_back_what_the_old_one_said(
    tmp_path: Path, kit: Any
) -> None:
    bench = kit.Bench(kit.make_config(tmp_path, nodes=3), make_policy("local"))
    bench.join()
    bench.run_slot(0)
    books = bench.coordinator.service.books
    assert books.nodes["n01"].acked_seq > 1
    assert "n01" in books.waiting
    stub = kit.StubNode("n01", boot_id="boot2", static_w=3.3)
    stub.battery_uj = books.battery_uj("n01")
    bench.nodes["n01"], bench.heard[:] = stub, []
    bench.drop = lambda node, message: isinstance(message, Telemetry)
    bench.join("n01")
    assert books.nodes["n01"].profile.static_w == 3.3
    assert books.nodes["n01"].acked_seq is None
    assert "n01" not in books.waiting  # messages of the old start about slot 1 may no longer be valid
    assert books.nodes["n01"].uncertain
    bench.drop = lambda node, message: False
    bench.coordinator.receive("n01", stub.outbox[1])
    # A number of the old start would make the node discard messages that it has not sent yet.
    assert [m.seq for who, m in bench.heard if who == "n01" and isinstance(m, Ack)] == [1]
    bench.close()


def test_a_reboot_explains_one_figure_and_no_second_one(tmp_path: Path, kit: Any) -> None:
    """The new start reports the booked content: from then on its battery is known again."""
    bench = kit.Bench(kit.make_config(tmp_path, nodes=3), make_policy("local"))
    bench.join()
    bench.run_slot(0)
    books = bench.coordinator.service.books
    stub = kit.StubNode("n01", boot_id="boot2", battery_uj=books.battery_uj("n01"))
    bench.nodes["n01"] = stub
    bench.join("n01")
    assert stub.refusals == []
    assert not books.nodes["n01"].uncertain
    other = dataclasses.replace(books.waiting["n01"], seq=stub.seq + 1, battery_uj=stub.battery_uj + 7)
    bench.coordinator.receive("n01", other)
    assert [refusal.code for refusal in stub.refusals] == ["battery_discontinuous"]
    assert ("node/n01/adjustment", Unit.MICROJOULES) not in books.balances
    # An adjustment alone, as a settlement brings it where there is no telemetry, ends the doubt as well.
    books.nodes["n01"].uncertain = True
    held = books.battery_uj("n01")
    books.apply(adjustment("n01", 1, "a settlement", held, held - 11))
    assert not books.nodes["n01"].uncertain
    assert books.battery_uj("n01") == held - 11
    bench.close()


def test_a_gap_explains_another_battery_once(tmp_path: Path, kit: Any) -> None:
    """There is no reading of n01 in slot 0: the ledger accepts its reported battery, visibly, and once."""
    bench = kit.Bench(kit.make_config(tmp_path, nodes=3), make_policy("local"))
    bench.join()
    bench.mute = {"n01"}
    assert bench.run_slot(0).missing_nodes == ("n01",)
    bench.mute = set()
    stub, books = bench.nodes["n01"], bench.coordinator.service.books
    assert books.gaps == 1
    stub.battery_uj -= 2_000_003
    bench.join("n01")
    assert stub.refusals == []
    assert books.balances["node/n01/adjustment", Unit.MICROJOULES] == 2_000_003
    other = dataclasses.replace(books.waiting["n01"], seq=stub.seq + 1, battery_uj=stub.battery_uj + 7)
    bench.coordinator.receive("n01", other)
    assert [refusal.code for refusal in stub.refusals] == ["battery_discontinuous"]
    bench.close()


@hypothesis.settings(max_examples=10, deadline=None)
@hypothesis.given(data=st.data())
def test_the_books_balance_with_lost_and_repeated_messages(data: Any, tmp_path_factory: Any) -> None:
    """Random losses, repeats, restarts and node deaths; every reading is booked exactly once."""
    from types import SimpleNamespace

    kit: SimpleNamespace = _KIT
    folder = tmp_path_factory.mktemp("run")
    bench = kit.Bench(kit.make_config(folder, nodes=3, slots=4), make_policy("deta"))
    bench.join()
    said: dict[tuple[str, int], Any] = {}

    def drop(node: str, message: Any) -> bool:
        """Lost with its stream, together with everything after it; the outbox still has it."""
        if node in cut or data.draw(st.integers(0, 19)) == 0:
            cut.add(node)
            return True
        if isinstance(message, Usage):
            said.setdefault((node, message.slot), message)
        if data.draw(st.integers(0, 9)) == 0:
            bench.coordinator.receive(node, message)  # repeated in transit
        return False

    cut: set[str] = set()
    bench.drop = drop
    boots = 1
    for slot in range(4):
        fate = data.draw(st.sampled_from(["none", "none", "restart", "reboot"]))
        if fate == "restart":
            bench.restart()
        elif fate == "reboot":
            boots += 1
            node = data.draw(st.sampled_from(sorted(bench.nodes)))
            bench.nodes[node] = kit.StubNode(node, boot_id=f"boot{boots}", battery_uj=1)
        cut.clear()
        bench.join()
        bench.now += 0.1
        try:
            bench.run_slot(slot)
        except ValueError:
            assert (
                bench.coordinator.service.books.next_slot == slot
            )  # no node registered: nothing was decided
            break
        cut.clear()
    bench.close()
    report = verify(bench.config.ledger_path)
    assert report.ok, report.findings
    balances = ledger_totals(bench.config)
    booked = sum(
        amount
        for (account, unit), amount in balances.items()
        if unit is Unit.MICROJOULES and account.startswith("node/") and "/stage/" in account
    )
    durable = 0
    with Ledger(bench.config.ledger_path, bench.config.run_id) as ledger:
        books = Books(bench.config)
        for stored in ledger.entries():
            books.apply(stored.entry)
    for state in books.slots.values():
        if state.summary is not None:
            durable += sum(line.energy_uj for usage in state.usage.values() for line in usage.lines)
    assert booked == durable


_KIT: Any = None


@pytest.fixture(autouse=True)
def _give_kit(kit: Any) -> None:
    globals()["_KIT"] = kit
