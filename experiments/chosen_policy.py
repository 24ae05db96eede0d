"""The scenario's policy: its options, whether it needs the truth, and what its look-ahead cuts of its rule."""

from __future__ import annotations

from experiments.scenario import Scenario


def policy_settings(scenario: Scenario) -> dict[str, str | int | float | bool]:
    """Options of the scenario's policy: its own, and the coordinator's time limit where it solves anything."""
    from coordinator.policies.registry import takes

    limit_s = scenario.coordinator.solver_time_limit_s
    if limit_s is None or not takes(scenario.policy, "time_limit_s"):
        return dict(scenario.policy_options)
    return {"time_limit_s": limit_s, **scenario.policy_options}


def needs_truth(scenario: Scenario) -> bool:
    """Whether the policy is given true values where others get forecasts (the oracle)."""
    from coordinator.policies.registry import make_policy

    return bool(getattr(make_policy(scenario.policy, **policy_settings(scenario)), "needs_truth", False))


def short_look_ahead(scenario: Scenario) -> str:
    """What the scenario's look-ahead cuts of its policy's rule; empty where nothing."""
    from coordinator.policies.registry import make_policy, wanted_horizon

    given, policy = (
        scenario.coordinator.horizon_slots,
        make_policy(scenario.policy, **policy_settings(scenario)),
    )
    wanted = wanted_horizon(policy, scenario.limits.deadline_slots)
    if wanted <= given:
        return ""
    return (
        f"policy {scenario.policy} looks {wanted} slots ahead (the present one among them), "
        f"coordinator.horizon_slots gives {given}: its rule is cut to that"
    )
