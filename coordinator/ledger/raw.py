"""Fields of a ledger's documents that nothing else in it implies: readings, choices and settings.

``verify`` recomputes every other field, so that changing it alone is found even where all hashes are computed again.
A raw field is protected by the anchor only: the head of the chain, kept outside the file. A test changes every field of
every kind of entry and compares what is not found with this list.
"""

from __future__ import annotations

import re

RAW: dict[str, tuple[str, ...]] = {
    "start": (
        # What the run was asked to do. Its zones' intensities, stages, nodes and power are compared with the entries.
        *(
            f"config.{name}"
            for name in ("policy", "policy_options", "seed", "foresight", "day_slots", "overrun")
        ),
        *(f"config.{name}" for name in ("horizon_slots", "known_slots", "forecast_known_slots")),
        *(f"config.{name}" for name in ("harvest_spread_fraction", "heartbeat_s", "lease_s")),
        *(f"config.{name}" for name in ("plausible_harvest_times", "plausible_power_times")),
        *(
            f"config.{name}"
            for name in ("request_deadline_slots", "tree_alpha_bits_per_token", "slot_s", "limits")
        ),
        *(
            f"config.body.{name}"
            for name in ("joules_per_aggregated_parameter", "joules_per_evaluated_example")
        ),
        *(f"config.body.{name}" for name in ("router_w", "static_w")),
        *(
            f"config.zones.*.{name}"
            for name in ("forecast_g_per_kwh", "intensity_g_per_kwh", "issues", "readings", "origin")
        ),
        "config.live",
    ),
    "signal": (
        # What services said, and when. Ages and flags follow from it.
        *("at", "zones.*.g_per_kwh", "zones.*.of", "zones.*.until", "zones.*.received", "zones.*.estimated"),
        *(
            "zones.*.issue",
            "marginal.*.g_per_kwh",
            "marginal.*.of",
            "marginal.*.until",
            "marginal.*.received",
        ),
        "marginal.*.estimated",
    ),
    # The coordinator's clock and the node's, as they were read.
    "clock": ("at_ns", "offset_ns", "uncertainty_ns", "round_trips"),
    "registration": ("peer_address", "profile"),
    "telemetry": (*("backlog_batches", "harvest_forecast_uj", "release_forecast_batches", "mean_loss"),),
    "decision": (
        # What the policy chose, and what it says of it.
        *("notes", "objective_g", "selected", "unserved", "market", "plan.decide_s", "plan.gap_fraction"),
        *("plan.status", "plan.lost_nodes", "plan.decisions.*.awake", "plan.decisions.*.charge_uj"),
        *("plan.decisions.*.discharge_uj", "plan.decisions.*.deadline_s", "plan.decisions.*.own_batches"),
        *("plan.decisions.*.self_managed", "plan.decisions.*.sends.*.address"),
        "plan.decisions.*.recalled",
    ),
    "usage": (
        *("mean_loss", "unserved_requests", "own_work", "moved"),
        *("serving.*.latency", "serving.*.deadline_misses", "serving.*.prefill_s", "serving.*.decode_s"),
        *("outside.latency", "outside.deadline_misses", "outside.prefill_s", "outside.decode_s"),
        "users.*.outside",
        # Of a sensor, all but its joules.
        *(f"metered.{name}" for name in ("kind", "half_width_uj", "bias_uj", "rate_hz", "coverage_fraction")),
        *("metered.gaps", "metered.window_s", "duration_s"),
        *(f"harvest_metered.{name}" for name in ("kind", "half_width_uj", "bias_uj", "rate_hz")),
        *(f"harvest_metered.{name}" for name in ("coverage_fraction", "gaps", "window_s")),
        # Of a request to a language model, all but its joules, tokens and bits in sum.
        *(f"requests.*.{name}" for name in ("owner", "batch_id", "place", "half_width_uj", "latency_s")),
        *(f"requests.*.{name}" for name in ("first_token_s", "token_gap_s", "wire_bytes", "failed")),
        *(f"requests.*.{name}" for name in ("part", "cache_bytes", "same", "answer")),
    ),
    "trade": ("transfers.*.reason",),
    "gap": ("reason",),
    "slot_end": ("wall.duration_s", "wall.overrun_s"),
    "alarm": ("",),
}
"""Kind of entry -> beginnings of the paths of its raw fields; ``*``: any place in a list, or name of a node."""


def is_raw(kind: str, path: str) -> bool:
    """Whether the field at ``path`` (names and ``*`` with dots between) of a document of ``kind`` is raw."""
    return any(
        re.fullmatch(re.escape(start) + r"([._].*)?", path) or start == "" for start in RAW.get(kind, ())
    )
