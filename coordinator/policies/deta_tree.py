"""DETA with TREE beside carbon: joules priced, or limited, in the same model.

TREE: token-responsive energy efficiency (the TREE paper), (T1) of methods.md section 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from coordinator.market.decision import FleetDecision
from coordinator.market.fleet import Fleet
from coordinator.market.joules import price_for, priced
from coordinator.market.layout import Restrictions
from coordinator.market.outlook import Outlook
from coordinator.market.program import Program
from coordinator.policies.optimised import ModelPolicy, optimise


@dataclass(frozen=True)
class DetaTree(ModelPolicy):
    """Minimises grams + price * joules (objective), or grams with TREE kept near its best (constraint).

    price_g_per_kwh: grams that a kWh may cost to be saved, from any source; 0: DETA. tree_floor_fraction:
    share of the best reachable TREE that the plan must keep; with it the price follows, slot by slot.
    """

    price_g_per_kwh: float = 100.0
    tree_floor_fraction: float | None = None

    name: ClassVar[str] = "deta-tree"
    restrictions: ClassVar[Restrictions] = Restrictions(transfers=True, offloading=True, harvest=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.price_g_per_kwh < float("inf"):
            raise ValueError(f"price_g_per_kwh is {self.price_g_per_kwh}; allowed is a finite value >= 0")
        floor = self.tree_floor_fraction
        if floor is not None and not 0 < floor <= 1:
            raise ValueError(f"tree_floor_fraction is {floor}; allowed is above 0, up to 1, or none")

    def program(self, fleet: Fleet, state: Outlook | None = None, *, scaled: bool = True) -> Program:
        """See ModelPolicy; joules are priced."""
        price = self._price(super().program(fleet, state))
        return priced(super().program(fleet, state, scaled=scaled), price)

    def _price(self, program: Program) -> float:
        """Grams per kWh: the one given, or the lowest that keeps the floor."""
        if self.tree_floor_fraction is None:
            return self.price_g_per_kwh
        options = self.solver_options(program.fleet.limits.may_sleep)
        return price_for(program, self.tree_floor_fraction, options)

    def decide(self, fleet: Fleet, state: Outlook | None) -> tuple[FleetDecision, Outlook | None]:
        """See ModelPolicy; the price used is in the decision's notes."""
        options, state = self.solver_options(fleet.limits.may_sleep), self.follow(fleet, state)
        decided, value = self.ahead(fleet, state)
        used: list[float] = []

        def reprice(program: Program) -> Program:
            used.append(self._price(program))
            return priced(program, used[0])

        decision = optimise(decided, self.restrictions, options, reprice, stored_value=value)
        decision.notes["price_g_per_kwh"] = used[0]
        return decision, state
