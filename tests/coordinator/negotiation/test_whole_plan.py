"""The plan that an exchange ended with, round by round, with agents and a market that only count."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from coordinator.market.instances import reference_day
from coordinator.market.wide.hub import HubPlan
from coordinator.negotiation import whole_plan
from coordinator.negotiation.exchange import Rules
from coordinator.negotiation.simulated import own_of
from coordinator.negotiation.table import Agreed, Table
from coordinator.negotiation.whole_plan import Outcome, agree
from protos.messages.market import Good, MarketKind, Offers, Quote, Side

NAMES = (
    *("grid", "green", "charge", "discharge", "stored", "curtailed", "export", "import"),
    *("own", "away", "guest", "unserved"),
)
UNIT_J, UNIT_BATCHES = 10.0, 1_000.0


class Agent:
    """Answers with the number of the call; its values tell node, name and call apart."""

    def __init__(self, own: Any, terms: Any) -> None:
        self.own, self.terms = own, terms
        self.calls = 0
        self.heard: list[Any] = []

    def hear(self, mean: Any, rho_factor: float) -> None:
        self.heard.append((mean, rho_factor))

    def propose(self) -> tuple[float, ...]:
        self.calls += 1
        return (float(self.calls), float(self.own.battery_j))

    def firm(self) -> tuple[Quote, ...]:
        self.calls += 1
        return (Quote(Good.ENERGY, Side.ASK, 1.0, float(self.own.battery_j)),)

    def value(self, name: str) -> Any:
        """By slot; of own and away work by class and slot."""
        told = np.array([NAMES.index(name) + 100.0 * self.calls, 0.25 * float(self.own.battery_j)])
        return np.stack([told, told + 50.0]) if name in ("own", "away") else told


@pytest.mark.parametrize(
    ("primal", "dual", "converged"),
    [(1e-4, 9e-4, True), (1e-4, 1e-3, False), (2e-3, 1e-4, False)],
)
def test_agents_are_asked_heard_and_valued_in_turn(
    monkeypatch: pytest.MonkeyPatch, primal: float, dual: float, converged: bool
) -> None:
    """A call, two rounds of news, and a firm one: four answers of each of two nodes."""
    day = reference_day(2, nodes=2)
    fleet = replace(day, slot=5, battery_j=np.array([4.0, 8.0]))
    at, rules, agents, sent, made = Table.of(fleet), Rules(rounds=2), [], [], []
    terms = [
        at.terms(i, MarketKind.EXCHANGE, unit_j=UNIT_J, unit_batches=UNIT_BATCHES, rho=1.0 + i)
        for i in (0, 1)
    ]

    def exchange(table: Table, given: Rules) -> Any:
        assert (table.node_ids, given) == (fleet.node_ids, rules)
        sent.append((yield [table.call(i, said) for i, said in enumerate(terms)]))
        for round_ in (1, 2):
            news = [
                table.news(i, round_, mean_trades=(0.5 * round_, 1.0 * i), rho_factor=2.0 * round_)
                for i in (0, 1)
            ]
            sent.append((yield news))
        sent.append((yield [table.news(i, 3, firm=True) for i in (0, 1)]))
        notes = {"primal_residual": primal, "dual_residual": dual, "rounds": 2.0}
        return replace(Agreed.nothing("rule"), notes=notes)

    def terms_of(table: Table, given: Rules) -> Any:
        assert (table.node_ids, given) == (fleet.node_ids, rules)
        return terms

    def agent(own: Any, said: Any) -> Agent:
        agents.append(Agent(own, said))
        return agents[-1]

    def repair(program: Any, plan: HubPlan) -> HubPlan:
        assert program is made[0]
        return replace(plan, curtailed_j=plan.curtailed_j + 0.5)

    def from_fleet(given: Any) -> str:
        assert given is fleet
        made.append(object())
        return made[-1]

    monkeypatch.setattr(whole_plan, "from_fleet", from_fleet)
    monkeypatch.setattr(whole_plan, "exchange_terms", terms_of)
    monkeypatch.setattr(whole_plan, "exchange", exchange)
    monkeypatch.setattr(whole_plan, "ExchangeAgent", agent)
    monkeypatch.setattr(whole_plan, "repair", repair)
    monkeypatch.setattr(
        whole_plan,
        "objective_g",
        lambda program, plan: float(plan.grid_j[0, 0]) + 1e6 * (program is not made[0]),
    )
    trace = {2: -1.0, 4: -1.0, 9: -1.0}
    found = agree(fleet, rules, trace)

    assert [one.terms for one in agents] == terms
    assert [one.own.battery_j for one in agents] == [4.0, 8.0]
    assert own_of(fleet, 1).battery_j == 8.0
    assert [one.heard for one in agents] == [
        [((0.5, 0.0), 2.0), ((1.0, 0.0), 4.0)],
        [((0.5, 1.0), 2.0), ((1.0, 1.0), 4.0)],
    ]
    quotes = [(Quote(Good.ENERGY, Side.ASK, 1.0, battery),) for battery in (4.0, 8.0)]
    assert sent == [
        *(
            [
                Offers(node, 0, 5, 0, 0, (), (float(call), battery))
                for node, battery in zip(fleet.node_ids, (4.0, 8.0), strict=True)
            ]
            for call in (1, 2, 3)
        ),
        [Offers(node, 0, 5, 0, 0, said, ()) for node, said in zip(fleet.node_ids, quotes, strict=True)],
    ]
    assert trace == {2: 200.0 * UNIT_J, 4: 400.0 * UNIT_J, 9: -1.0}
    assert isinstance(found, Outcome)
    assert (found.objective_g, found.rounds, found.converged, found.messages) == (4_000.0, 2, converged, 16)
    for k, field in enumerate(fields(HubPlan)):
        unit = UNIT_J if field.name.endswith("_j") else UNIT_BATCHES
        wanted = np.array([[k + 400.0, k + 400.0], [1.0, 2.0]]) * unit + 0.5 * (field.name == "curtailed_j")
        if field.name in ("own_batches", "offload_batches"):
            wanted = np.stack([wanted, wanted + 50.0 * unit])
        assert getattr(found.plan, field.name).tolist() == wanted.tolist(), field.name


def test_without_a_trace_the_outcome_is_the_same() -> None:
    fleet = reference_day(2, nodes=2)
    trace = {1: 0.0}
    plain, traced = agree(fleet, Rules(rounds=3)), agree(fleet, Rules(rounds=3), trace)
    assert plain.objective_g == traced.objective_g
    assert (plain.rounds, plain.messages) == (3, 2 * 2 * 4)
    assert trace[1] > 0
