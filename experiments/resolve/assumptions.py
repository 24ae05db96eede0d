"""Assumptions of a run, in sentences for its report."""

from __future__ import annotations

from edge_node.tasks.none import LANGUAGE, WITHOUT_TASK
from edge_node.tasks.none import NAME as NO_TASK
from experiments.resolve.network_factor import NetworkFactor
from experiments.resolve.slot_length import BUSY_SHARE, WORST_SHARE
from experiments.scenario.model import Scenario


def assumptions_of(
    scenario: Scenario, slot_s: float, boards: list[str], network: NetworkFactor
) -> tuple[str, ...]:
    time = scenario.time
    auto = (
        ""
        if scenario.time.slot_s != "auto"
        else " (as far as the traces advance)"
        if scenario.task.name in WITHOUT_TASK and slot_s == time.trace_step_s
        else f" (twice the mean busy time of a node in the busiest stage: BUSY_SHARE {BUSY_SHARE:g}; no node is "
        f"busy for more than {WORST_SHARE:g} of it)"
    )
    storage = (
        f"Battery capacities are multiplied by slot_s / trace_step_s = {slot_s / time.trace_step_s:.3g}: "
        "a battery lasts as many hours of the replayed day as it would in real time."
        if time.scale_storage
        else "Battery capacities are physical; traces are replayed faster, so batteries seem larger than in real time."
    )
    return (
        f"A slot is {slot_s:.4g} s long{auto}; traces advance {time.trace_step_s:g} s per slot. "
        "Energies are physical.",
        storage,
        "Energy transfers are accounted transfers between sites on a common grid; loss on the donor's side "
        f"{scenario.network.export_loss_fraction:g}, on the recipient's {scenario.network.import_loss_fraction:g}.",
        f"Energy in the network per byte: {network.booked_j_per_byte:g} J ({network.source}); drawn between "
        f"{network.low_j_per_byte:g} and {network.high_j_per_byte:g} J in the intervals. Decisions were made under the "
        "booked figure.",
        "Scope 2, location-based, average intensity; harvested energy counts zero.",
        "Nothing is learned: batches are counted, moved and metered by the boards' models, and not executed."
        if scenario.task.name == NO_TASK
        else "Nothing is learned: nodes serve a language model that is finished, greedily and to the full length asked "
        "for; prompts are passages of Python's documentation. Offloaded requests go to another node as they came."
        if scenario.task.name == LANGUAGE
        else "The app's own code trains and evaluates; a round stays with its data, and what the app computes on its "
        "server (evaluation) is in no joules."
        if scenario.task.is_app
        else "Offloading sends raw batches from owner to executor: this gives up the privacy premise of federated "
        "learning.",
        *(
            f"Service {service.label}: {service.task} answers with an untrained model, drawn from the seed on every "
            "node: it decodes real tokens at the cost of a trained one, and what it says means nothing."
            for service in scenario.inference.services
        ),
        *boards,
    )
