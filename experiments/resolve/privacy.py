"""What is done to updates before they leave a node and when they are averaged, and what that costs in privacy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from coordinator.accounting.privacy import gaussian_epsilon
from coordinator.adapters.flower_guarded import Guarded
from edge_node.config import PrivacyConfig
from edge_node.tasks.state import buffers_of
from experiments.errors import UsageError
from experiments.resolve.chosen_policy import chosen_traits, trained_at_most
from experiments.resolve.demand import learns_nothing
from protos.masking.masks import LARGEST
from protos.masking.party import LEAST_NODES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_node.config import PersonalConfig
    from edge_node.tasks.base import Task
    from experiments.scenario.model import Scenario
    from experiments.scenario.privacy import PrivacySpec

MEANS = ("fedavg", "fedprox", "fedbn", "fedper", "ditto")
"""Strategies that take a weighted mean and nothing else."""
DEVIATIONS = 7.0
"""[C] Normal numbers are beyond so many standard deviations once in 4e11: no node of a run meets one."""
MOST_NOISE = 10.0
"""[C] Standard deviation of noise in a value. Weights are far below 1: a model learns nothing under a tenth of it, and
convolutions leave the range of float32."""


def check_privacy(scenario: Scenario) -> None:
    """Raises UsageError, with its line, for a scenario whose updates cannot be protected as asked."""
    if not scenario.task.privacy.is_on:
        return
    with scenario.at("task", "privacy"):
        if why := _obstacle(scenario):
            raise UsageError(why)


def _obstacle(scenario: Scenario) -> str:
    spec, task = scenario.task.privacy, scenario.task
    if task.is_app or learns_nothing(scenario):
        return "updates are protected where a task of detabed is learned; remove task.privacy"
    if scenario.training.kind != "federated":
        return 'updates are protected where nodes train whole models; set training.kind = "federated"'
    if scenario.fleet.kind == "virtual":
        return (
            'kind = "virtual" trains rows of arrays and sends no update that could be protected; give fleet.kind = '
            '"inprocess", "ray" or "daemons"'
        )
    if task.strategy not in MEANS:
        return f"strategy {task.strategy!r} takes no plain mean; allowed are {', '.join(MEANS)}"
    if "weighted_by_key" in task.strategy_options:
        return "updates are weighted by examples, with differential privacy equally; remove weighted_by_key"
    if scenario.stages.recycling:
        return "the second task of recycling slots is not protected; set stages.recycling = 0"
    if scenario.limits.offload_cap_fraction > 0 and chosen_traits(scenario).restrictions.offloading:
        return (
            f"policy {scenario.policy} may move batches, and a batch that moves shows its examples to another node; "
            f"set "
            "limits.offload_cap_fraction = 0"
        )
    if spec.secure_aggregation and (clients := trained_at_most(scenario)) < LEAST_NODES:
        of_policy = f" in a round, and policy {scenario.policy} chooses {clients} of {scenario.node_count}"
        return (
            f"of a sum of {clients} updates a node can work out the other; secure_aggregation needs {LEAST_NODES} "
            f"nodes or more{of_policy if clients < scenario.node_count else ''}: give more nodes"
            + (" or policy_options.clients" if clients < scenario.node_count else "")
        )
    if spec.kind != "none" and spec.delta * scenario.node_count >= 1:
        return (
            f"delta = {spec.delta:g} is 1 / {scenario.node_count} or more, with {scenario.node_count} nodes: a method "
            "that publishes all that one node has would keep to it; lower delta well below that"
        )
    if spec.kind != "none" and (size := spec.noise_multiplier * spec.clipping_norm) > MOST_NOISE:
        return (
            f"noise_multiplier = {spec.noise_multiplier:g} times clipping_norm = {spec.clipping_norm:g} is noise of "
            f"{size:g} in every value of an update; allowed is {MOST_NOISE:g}, far beyond weights and what a model "
            "learns with: lower noise_multiplier, or clipping_norm, on which epsilon does not depend"
        )
    return _beyond_the_ring(spec)


def _beyond_the_ring(spec: PrivacySpec) -> str:
    """Where noise takes values of an update beyond what can be sent under masks."""
    scale = spec.noise_multiplier * spec.clipping_norm
    largest = spec.clipping_norm + DEVIATIONS * scale
    if spec.kind != "local" or not spec.secure_aggregation or largest <= LARGEST:
        return ""
    return (
        f"noise of {scale:g} (noise_multiplier times clipping_norm) takes values of an update of norm "
        f"{spec.clipping_norm:g} up to {largest:g}, and under masks {LARGEST:g} can be sent: lower clipping_norm, on "
        "which epsilon does not depend, or noise_multiplier"
    )


def privacy_of(scenario: Scenario, task: Task, personal: PersonalConfig | None) -> PrivacyConfig | None:
    """What a node does to its updates; None: nothing. Raises UsageError, with its line, for a model with statistics
    that would be clipped with the weights."""
    spec = scenario.task.privacy
    if not spec.is_on:
        return None
    home = () if personal is None else personal.home
    with scenario.at("task", "privacy"):
        if statistics := [name for name in buffers_of(task.model()) if name not in home]:
            raise UsageError(
                f"{statistics[0]} of task {scenario.task.name} is a statistic and no weight, and would count in the "
                'update; keep it at home with strategy = "fedbn", or take another task'
            )
    private = spec.kind != "none"
    return PrivacyConfig(
        clipping_norm=spec.clipping_norm if private else None,
        noise_multiplier=spec.noise_multiplier if spec.kind == "local" else 0.0,
        server_noise_multiplier=spec.noise_multiplier if spec.kind == "central" else 0.0,
        seeded=spec.seeded,
        equal_weights=private,
        masked=spec.secure_aggregation,
    )


def guarded(strategy: Any, spec: PrivacySpec, seed: int) -> Any:
    """The strategy with what the server does; itself where that is nothing."""
    if not spec.is_on:
        return strategy
    return Guarded(
        strategy,
        equal_weights=spec.kind != "none",
        noise_scale=spec.noise_multiplier * spec.clipping_norm if spec.kind == "central" else 0.0,
        seed=seed if spec.seeded else None,
        threshold_fraction=spec.threshold_fraction if spec.secure_aggregation else None,
    )


def sensitivity(spec: PrivacySpec) -> float | None:
    """L2 sensitivity of what noise is added to: of the sum of updates where a node is added or taken away (central), of
    a node's update where its data become any others (local). None without differential privacy."""
    return {"central": spec.clipping_norm, "local": 2.0 * spec.clipping_norm}.get(spec.kind)


@dataclass
class Spent:
    """Releases so far, and the epsilon they add up to."""

    spec: PrivacySpec
    central: int = 0
    """Models made of noised sums."""
    local: dict[str, int] | None = None
    """Updates by node that left it, or may have."""

    def round(self, sent: Sequence[str], aggregated: bool | None) -> None:
        """Count a round: a model that was made; for local privacy each node that was asked, answered in time or not."""
        self.central += bool(aggregated)
        self.local = self.local or {}
        for name in sent:
            self.local[name] = self.local.get(name, 0) + 1

    @property
    def releases(self) -> int:
        """Of the node with most of them."""
        return self.central if self.spec.kind == "central" else max((self.local or {}).values(), default=0)

    @property
    def epsilon(self) -> float | None:
        """At the spec's delta; None without differential privacy."""
        found = sensitivity(self.spec)
        if found is None:
            return None
        times = self.spec.noise_multiplier * self.spec.clipping_norm / found
        return gaussian_epsilon(times, self.releases, self.spec.delta)

    def told(self) -> dict[str, Any]:
        """For a run's metadata."""
        spec = self.spec
        private = spec.kind != "none"
        return {
            "kind": spec.kind,
            "clipping_norm": spec.clipping_norm if private else None,
            "noise_multiplier": spec.noise_multiplier if private else None,
            "sensitivity": sensitivity(spec),
            "delta": spec.delta if private else None,
            "epsilon": self.epsilon,
            "releases": self.releases if private else None,
            "seeded": spec.seeded if private else None,
            "secure_aggregation": spec.secure_aggregation,
        }
