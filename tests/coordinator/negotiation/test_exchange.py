"""Exchange ADMM: the node's own problem, the agreement, and the messages."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest

from coordinator.market.fleet import Limits
from coordinator.market.instances import random_fleet, reference_day
from coordinator.market.local_plan import local_g
from coordinator.market.wide import decomposition, hub
from coordinator.negotiation import exchange as exchange_module
from coordinator.negotiation.exchange import Rules, exchange, exchange_terms
from coordinator.negotiation.simulated import own_of
from coordinator.negotiation.table import Agreed, Table
from coordinator.negotiation.whole_plan import agree
from protos.messages.market import Good, MarketKind, MarketNews, Offers, Side
from protos.messages.market import Quote as MarketQuote
from protos.trading.look_ahead import LEFT_FACTOR, look_ahead


def test_half_a_percent_within_a_hundred_rounds_on_the_reference_day() -> None:
    fleet = reference_day(24)
    program = hub.from_fleet(fleet)
    agreed = agree(fleet, Rules(rounds=100))
    bound = decomposition.solve(program, 1e-5).bound_g
    assert agreed.converged
    assert agreed.objective_g <= bound * 1.005
    assert agreed.objective_g < local_g(program)
    assert max(hub.residuals(program, agreed.plan).values()) < 1e-9
    assert agreed.messages == 2 * fleet.size * (agreed.rounds + 1)


@pytest.mark.parametrize("deadline", [0, 1])
@pytest.mark.parametrize("seed", range(4))
def test_nodes_that_need_not_agree_reach_the_optimum_of_living_alone(seed: int, deadline: int) -> None:
    """A node's own problem without trade has the central solver's optimum."""
    fleet = random_fleet(seed, 1, 4, deadline_slots=deadline)
    table = Table.of(fleet)
    terms = exchange_terms(table, Rules())[0]
    program = look_ahead(own_of(fleet, 0), terms)
    x = program.near.solve(np.zeros(8), np.full(8, 1e6)).x
    alone = hub.from_fleet(fleet, hub.Restrictions(False, False, True))
    central = decomposition.solve(alone, 1e-6)
    mine = float(program.near.cost @ x) * terms.unit_j * terms.unit_g_per_j
    # The two price missed work differently (each so that no energy outweighs it): grams of the rest are compared, and
    # the batches missed by themselves.
    unserved = program.part(x, "unserved") * terms.unit_batches
    price = np.full(len(unserved), terms.unserved_g)
    price[fleet.horizon :] *= LEFT_FACTOR
    missed = central.plan.unserved_batches[:, 0]
    tolerance = 1e-3 * max(float(alone.class_batches.sum()), 1.0)
    assert float(unserved.sum()) == pytest.approx(float(missed.sum()), abs=tolerance)
    theirs = central.objective_g - float((alone.unserved_g * central.plan.unserved_batches).sum())
    scale = terms.unit_j * terms.unit_g_per_j
    assert mine - float((price * unserved).sum()) == pytest.approx(theirs, rel=2e-3, abs=1e-3 * scale)


def test_rules_are_checked() -> None:
    with pytest.raises(ValueError, match="rounds is 0"):
        Rules(rounds=0)
    with pytest.raises(ValueError, match="relaxation is 2"):
        Rules(relaxation=2.0)


def table(nodes: int = 4, **changes: Any) -> Table:
    """A slot of the reference day; node ids edge-00 on."""
    return Table.of(replace(reference_day(1, nodes=nodes), **changes))


def answers(at: Table, round_: int, trades: list[tuple[float, float]]) -> list[Offers]:
    return [
        Offers(node, 0, 0, 0, round_, trades=each) for node, each in zip(at.node_ids, trades, strict=True)
    ]


def conversation(
    rules: Rules, rounds: list[list[tuple[float, float]]], firm: list[tuple[Good, Side, float]]
) -> tuple[Agreed, list[MarketNews]]:
    """A market of as many nodes as trade in every round, and of one firm quote each; with what node 1 was told."""
    at = table(len(firm))
    market = exchange(at, rules)
    calls = next(market)
    assert [call.node_id for call in calls] == list(at.node_ids)
    told: list[MarketNews] = []
    for k, trades in enumerate(rounds):
        said = market.send(answers(at, k, trades))
        assert [news.node_id for news in said] == list(at.node_ids)  # type: ignore[union-attr]
        told.append(said[1])  # type: ignore[arg-type]
    last = [
        Offers(node, 0, 0, 0, len(rounds), quotes=(MarketQuote(good, side, 1e-5, quantity),))
        for node, (good, side, quantity) in zip(at.node_ids, firm, strict=True)
    ]
    with pytest.raises(StopIteration) as end:
        market.send(last)
    return end.value.value, told


NO_TRADE = [(Good.ENERGY, Side.ASK, 0.0)] * 2
TOGETHER, APART = [(1.0, 0.5)] * 2, [(2.0, 0.0), (-2.0, 0.0)]


@pytest.mark.parametrize(
    ("fifth", "adapt", "factor"),
    [
        (TOGETHER, True, 2.0),  # the mean is far from zero, and nothing has moved around it
        (APART, True, 0.5),  # the mean is zero, and the trades have moved
        ([(1.5, 0.5), (-0.5, 0.5)], True, 1.0),  # both alike
        (TOGETHER, False, 1.0),
    ],
)
def test_residuals_and_their_weight_by_hand(
    fifth: list[tuple[float, float]], adapt: bool, factor: float
) -> None:
    """Round 5 changes the weight of trades; what it then is shows in the dual residual of round 6."""
    rules = Rules(rounds=6, tolerance=1e-9, rho=0.5, adapt=adapt)
    sixth = [(4.0, 1.0), (0.0, 1.0)]
    agreed, told = conversation(rules, [*[TOGETHER] * 4, fifth, sixth], NO_TRADE)
    assert [news.rho_factor for news in told] == [1.0, 1.0, 1.0, 1.0, factor, 1.0]
    assert [news.firm for news in told] == [False] * 5 + [True]
    assert [news.round for news in told] == [1, 2, 3, 4, 5, 6]
    assert told[0].mean_trades == (1.0, 0.5)
    assert told[5].mean_trades == (2.0, 1.0)
    # of energy 2 and -2 around the mean of 2, less what it was in round 5; work has not moved around its mean of 1
    before = {id(TOGETHER): 0.0, id(APART): 2.0}.get(id(fifth), 1.0)
    assert agreed.notes == {
        "rounds": 6.0,
        "primal_residual": pytest.approx(math.sqrt((4.0 + 1.0) / 2)),
        "dual_residual": pytest.approx(0.5 * factor * math.sqrt(2 * (2.0 - before) ** 2 / 4)),
        "traded_j": 0.0,
        "traded_batches": 0.0,
    }
    assert agreed.status == "rule: negotiated; stopped after 6 rounds"


def test_agreement_ends_the_rounds() -> None:
    """The mean is zero at once; in round 2 the trades have not moved either."""
    agreed, told = conversation(Rules(), [APART, APART], NO_TRADE)
    assert [news.firm for news in told] == [False, True]
    assert agreed.status == "rule: negotiated"
    assert agreed.notes["rounds"] == 2.0


@pytest.mark.parametrize("weight", ["primal", "dual"])
def test_one_residual_alone_is_no_agreement(weight: str) -> None:
    rounds = [[(1.0, 0.0)] * 2] * 2 if weight == "primal" else [APART, [(-2.0, 0.0), (2.0, 0.0)]]
    agreed, _ = conversation(Rules(rounds=2), rounds, NO_TRADE)
    assert agreed.status == "rule: negotiated; stopped after 2 rounds"


def test_firm_batches_are_whole_and_the_longer_side_is_cut() -> None:
    """Three nodes would run three batches each, and five are asked for: 5/3 each, the rest to the first two."""
    asks = [(Good.WORK, Side.ASK, 3.0)] * 3
    agreed, _ = conversation(Rules(rounds=1), [[(0.0, 0.0)] * 4], [*asks, (Good.WORK, Side.BID, 5.0)])
    expected = np.zeros((4, 4), dtype=np.int64)
    expected[3] = [2, 2, 1, 0]  # node 3's batches, by who runs them
    np.testing.assert_array_equal(agreed.moves.matrix(4), expected)
    assert not len(agreed.transfers)
    assert agreed.notes["traded_batches"] == 5.0
    assert agreed.notes["traded_j"] == 0.0


def test_firm_energy_is_cut_in_proportion_and_leaves_the_giver_with_its_loss() -> None:
    firm = [
        (Good.ENERGY, side, joules) for side, joules in ((Side.ASK, 6.0), (Side.ASK, 3.0), (Side.BID, 4.5))
    ]
    agreed, _ = conversation(Rules(rounds=1), [[(0.0, 0.0)] * 3], firm)
    out = table(3).export_efficiency
    np.testing.assert_allclose(
        agreed.transfers.matrix(3), [[0, 0, 3.0 / out[0]], [0, 0, 1.5 / out[1]], [0, 0, 0]]
    )
    assert agreed.notes["traded_j"] == pytest.approx(4.5)
    assert not len(agreed.moves)


def test_terms_by_hand() -> None:
    """Boards of 2 and 4 W with batches of 1 and 3 s and of 36 and 18 J: half a slot of a minute holds 15 batches of the
    mean board, 405 J beside its 180 J of static energy. A batch costs at most 36 J, and 4 J for its megabyte."""
    at = table(
        2,
        intensity_g_per_kwh=np.array([[720.0], [36.0]]),
        static_w=np.array([2.0, 4.0]),
        seconds_per_batch=np.array([[1.0], [3.0]]),
        joules_per_batch=np.array([[36.0], [18.0]]),
        bytes_per_batch=np.array([1e6]),
        tx_j_per_byte=np.array([1e-6, 0.5e-6]),
        rx_j_per_byte=np.array([1e-6, 2e-6]),
        stored_value_g_per_j=np.array([0.0, 0.5e-4]),
        limits=Limits(offload_cap_fraction=0.25, transfer_cap_fraction=0.75, net_j_per_byte=1e-6),
    )
    later = 0.5e-4 * 3.6e6 / 0.95
    for place, (intensity, after) in enumerate(((720.0, 0.0), (36.0, later))):
        terms = exchange_terms(at, Rules(rho=0.7, relaxation=1.2))[place]
        assert asdict(terms) == {
            "kind": MarketKind.EXCHANGE,
            "intensity_g_per_kwh": (intensity,),
            "later_g_per_kwh": pytest.approx(after),
            "scarcity": (),
            "offload_cap_fraction": 0.25,
            "transfer_cap_fraction": 0.75,
            "net_j_per_byte": 1e-6,
            "bytes_per_batch": (1e6,),
            "offloadable": (True,),
            "unit_j": pytest.approx(585.0),
            "unit_batches": pytest.approx(15.0),
            "unit_g_per_j": pytest.approx(378.0 / 3.6e6),
            "unserved_g": pytest.approx(100.0 * 40.0 * 720.0 / 3.6e6),
            "rho": 0.7,
            "work_weight": pytest.approx((405.0 / 585.0) ** 2),
            "relaxation": 1.2,
        }


def test_terms_of_a_shorter_look_ahead_are_those_of_its_slots() -> None:
    day = Table.of(reference_day(6, nodes=2))
    whole, short = exchange_terms(day, Rules())[0], exchange_terms(day, Rules(), 2)[0]
    assert len(whole.intensity_g_per_kwh) == 6
    assert short.intensity_g_per_kwh == whole.intensity_g_per_kwh[:2]
    mean = float(day.intensity_g_per_kwh[:, :2].mean())
    assert short.unit_g_per_j == pytest.approx(mean / 3.6e6)
    assert exchange_terms(day, Rules(), 9)[0] == whole


def test_terms_of_nodes_that_cost_nothing_are_still_of_a_size() -> None:
    nothing = np.zeros((2, 1))
    at = table(
        2,
        intensity_g_per_kwh=nothing,
        static_w=np.zeros(2),
        seconds_per_batch=nothing,
        joules_per_batch=nothing,
        bytes_per_batch=np.zeros(1),
        stored_value_g_per_j=np.zeros(2),
    )
    terms = exchange_terms(at, Rules())[0]
    assert (terms.unit_j, terms.unit_batches, terms.unit_g_per_j) == (1.0, 1.0, 1.0 / 3.6e6)
    assert terms.work_weight == pytest.approx(1e-6)
    assert terms.unserved_g == pytest.approx(100.0 * 1e-3 / 3.6e6)


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        ({"tolerance": 0.0}, "tolerance is 0.0; allowed is more than 0"),
        ({"rho": -1.0}, "rho is -1.0; allowed is more than 0"),
        ({"relaxation": 0.9}, "relaxation is 0.9; allowed is 1 up to"),
        ({"rounds": 0}, "rounds is 0; allowed is 1 or more"),
    ],
)
def test_rules_outside_their_range_are_refused(rules: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Rules(**rules)
    assert Rules(rounds=1, tolerance=1e-12, rho=1e-12, relaxation=1.0).adapt


@pytest.mark.parametrize(
    ("side", "total", "whole", "cut"),
    [
        ([3.0, 2.0, 5.0], 10.0, True, [3.0, 2.0, 5.0]),
        ([3.0, 2.0, 5.0], 12.0, False, [3.0, 2.0, 5.0]),
        ([3.0, 2.0, 5.0], 5.0, False, [1.5, 1.0, 2.5]),
        ([3.0, 2.0, 5.0], 5.0, True, [2.0, 1.0, 2.0]),  # 1.5, 1 and 2.5: the first of the halves
        ([3.0, 2.0, 5.0], 7.0, True, [2.0, 1.0, 4.0]),  # 2.1, 1.4 and 3.5
        ([1.0, 1.0, 1.0, 0.0], 2.0, True, [1.0, 1.0, 0.0, 0.0]),
        ([0.0, 0.0], 0.0, True, [0.0, 0.0]),
        ([4.0, 4.0], 0.0, True, [0.0, 0.0]),
    ],
)
def test_a_side_is_cut_in_proportion(side: list[float], total: float, whole: bool, cut: list[float]) -> None:
    assert exchange_module._cut(np.array(side), total, whole).tolist() == pytest.approx(cut)


def test_ties_of_a_cut_go_to_the_first_of_many() -> None:
    assert exchange_module._cut(np.ones(100), 40.0, True).tolist() == [1.0] * 40 + [0.0] * 60


@pytest.mark.parametrize(
    ("primal", "dual", "factor"),
    [(5.0, 1.0, 1.0), (5.1, 1.0, 2.0), (1.0, 5.0, 1.0), (1.0, 5.1, 0.5), (0.0, 0.0, 1.0)],
)
def test_the_weight_changes_with_the_larger_residual(primal: float, dual: float, factor: float) -> None:
    assert exchange_module._change(primal, dual) == factor
