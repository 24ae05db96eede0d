"""The conformance suite on one policy, also one out of tree."""

from __future__ import annotations

from experiments.errors import UsageError


def check_policy(name: str) -> list[str]:
    """What the policy breaks, in words; empty when it keeps every rule. Raises UsageError when it cannot be had."""
    from coordinator.policies import conformance
    from coordinator.policies.registry import PolicyError, make_policy

    try:
        make_policy(name)
    except PolicyError as error:
        raise UsageError(str(error)) from error
    return [str(violation) for violation in conformance.check_policy(lambda: make_policy(name))]
