"""The table of requests: every policy as a whole, then the nodes of the policy in focus."""

from __future__ import annotations

import pandas as pd

from experiments.report import style, units
from experiments.report.read import Study
from experiments.report.serving import serving_frame
from experiments.report.tables import Column, Table

ALL = "all nodes"
EVERY = "all"


def requests(study: Study) -> Table | None:
    """Mean over seeds; None when no requests came. The CSV has every run and node."""
    frame = serving_frame(study)
    if frame.empty:
        return None
    means = frame.assign(node_id=frame["node_id"].fillna(ALL), service=frame["service"].fillna(EVERY))
    parts = means.drop(columns="seed").groupby(["policy", "node_id", "service"], sort=False)
    means = parts.mean(numeric_only=True).reset_index()
    whole = means[means["node_id"] == ALL]
    nodes = means[(means["node_id"] != ALL) & (means["policy"] == study.focus)]
    shown = pd.concat([whole, nodes], ignore_index=True)
    shown["label"] = shown["policy"].map(style.policy_label)
    late = shown["deadline_misses"] / shown["requests"].where(shown["requests"] > 0)
    shown["missed_fraction"] = late
    phases = (
        Column("joules_per_token_in", "prefill, J/token in", units.joules),
        Column("joules_per_token_decoded", "decode, J/token out", units.joules),
    )
    known = tuple(column for column in phases if shown[column.key].notna().any())
    outside = (
        Column("outside_requests", "of them from outside", units.count),
        Column("outside_worst_p95_s", "outside p95, worst slot", units.seconds),
    )
    asked = outside if shown["outside_requests"].any() else ()
    services = (Column("service", "service", is_number=False),) if shown["service"].nunique() > 1 else ()
    tokens = (
        Column("tokens_in_per_s", "tokens in/s", units.count),
        Column("tokens_out_per_s", "tokens out/s", units.count),
    )
    per_token = (
        Column("joules_per_token", "J/token", units.joules),
        Column("grams_per_1000_tokens", "g/1,000 tokens", units.grams),
    )
    generated = (Column("tree_generated_serving_bit_per_j", "generated tokens only", units.bits_per_joule),)
    generates = bool(shown["joules_per_token"].notna().any())
    note = (
        "Latency in slot time. Late: answered after the latency target. Energy: the nodes' application lines, and "
        "what requests and answers took in users' devices and in the network, by which "
        "TREE and EE of serving divide too; those of the testbed divide by all joules of the run."
    )
    if generates:
        note += " Per token: over input and generated tokens, of the services that have any; a class is none."
    for told in study.any_run.metadata.get("services", []):
        note += f" {told['name']}: {told['task']} on {told['data']}, model {told['model']}."
    if asked:
        note += " Outside clients' latency in wall time, from arrival to answer; not in p50 to p99."
    if known:
        note += " Prefill and decode divide computation and the static power meanwhile; radio is in neither."
    return Table(
        "serving",
        f"Requests, by policy and by the node that answered (nodes: {style.policy_label(study.focus)})",
        frame,
        (
            Column("label", "policy", is_number=False),
            Column("node_id", "node", is_number=False),
            *services,
            Column("requests", "requests", units.count),
            Column("latency_p50_s", "p50", units.seconds),
            Column("latency_p95_s", "p95", units.seconds),
            Column("latency_p99_s", "p99", units.seconds),
            *asked,
            Column("missed_fraction", "late", units.percent),
            Column("unserved_requests", "unserved", units.count),
            Column("joules_per_request", "J/answer", units.joules),
            *(tokens if generates else ()),
            *known,
            *(per_token if generates else ()),
            Column("tree_serving_bit_per_j", "TREE, serving", units.bits_per_joule),
            *(generated if shown["tokens_out_per_s"].any() else ()),
            Column("ee_serving_bit_per_j", "EE, serving", units.bits_per_joule),
        ),
        note=note,
        shown=shown,
    )
