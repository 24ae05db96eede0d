"""The scenario's policy: its options, whether it needs true values, and whether its look-ahead shortens its rule."""

from __future__ import annotations

from coordinator.policies.registry import Traits, make_policy, takes, traits_of
from experiments.scenario.model import Scenario

SECONDS_PER_DAY = 86_400.0


def policy_settings(scenario: Scenario) -> dict[str, str | int | float | bool]:
    """Options of the scenario's policy: its own, the coordinator's time limit where it solves anything, and the slots
    of a day where it learns by the hour."""
    limit_s, given = scenario.coordinator.solver_time_limit_s, {}
    if limit_s is not None and takes(scenario.policy, "time_limit_s"):
        given["time_limit_s"] = limit_s
    if takes(scenario.policy, "slots_per_day"):
        given["slots_per_day"] = day_slots(scenario)
    return {**given, **scenario.policy_options}


def chosen_traits(scenario: Scenario) -> Traits:
    """Properties of the scenario's policy that a run uses."""
    return traits_of(scenario.policy, **policy_settings(scenario))


def needs_truth(scenario: Scenario) -> bool:
    """Whether the policy is given true values where others get forecasts (the oracle)."""
    return chosen_traits(scenario).needs_truth


def follows_users(scenario: Scenario) -> bool:
    """Whether the policy has turns of conversations answered where their users are."""
    return chosen_traits(scenario).follows_users


def trained_at_most(scenario: Scenario) -> int:
    """Nodes that the policy has train in one round, at most: all but where it chooses so many clients."""
    # Within: it brings scipy, and a board that is calibrated has none.
    from coordinator.policies.selection import ClientsPerRound

    policy = make_policy(scenario.policy, **policy_settings(scenario))
    nodes = scenario.node_count
    return policy.most_of(nodes) if isinstance(policy, ClientsPerRound) else nodes


SLEEP_SLOTS = 6
"""Horizon left open where nodes may sleep: a mixed-integer plan of a day takes minutes (policies.optimised)."""


def day_slots(scenario: Scenario) -> int:
    """Whole slots in a day of trace time."""
    return max(1, int(SECONDS_PER_DAY // scenario.time.trace_step_s))


def horizon_slots(scenario: Scenario) -> int:
    """H: slots that the scenario's policy optimises: as given, else a day as far as decisions stay quick."""
    slots = len(scenario.stages.slots())
    if needs_truth(scenario):
        return slots
    if scenario.coordinator.horizon_slots is not None:
        return scenario.coordinator.horizon_slots
    nodes = sum(spec.count for spec in scenario.nodes)
    deadline, may_sleep = scenario.limits.deadline_slots, scenario.limits.may_sleep
    # Within: it brings scipy, and a board that is calibrated has none.
    from coordinator.policies.optimised import quick_slots

    quick = quick_slots(nodes, deadline, may_sleep, takes(scenario.policy, "plans_per_day"))
    most = [day_slots(scenario), max(slots, 1), quick]
    if may_sleep:
        most.append(max(SLEEP_SLOTS, deadline + 1))
    return min(most)


def known_slots(scenario: Scenario) -> int:
    """Slots that a decision knows of, the present one among them: no fewer than the horizon, and a day."""
    given = scenario.coordinator.value_slots
    day = min(day_slots(scenario), len(scenario.stages.slots())) if given is None else given
    return max(horizon_slots(scenario), day, 1)


def short_look_ahead(scenario: Scenario) -> str:
    """How the scenario's look-ahead shortens its policy's rule; empty where it does not."""
    given, policy = known_slots(scenario), chosen_traits(scenario)
    wanted = min(policy.wanted_horizon(scenario.limits.deadline_slots), len(scenario.stages.slots()))
    if wanted <= given:
        return ""
    return (
        f"policy {scenario.policy} looks {wanted} slots ahead (the present one among them), coordinator.horizon_slots "
        f"and value_slots give {given}: its rule is cut to that"
    )
