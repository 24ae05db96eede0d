"""Table ``requests``: tokens, times and joules of every request to a language model."""

from __future__ import annotations

from typing import Any

import pytest

from coordinator.tables.recorded import RecordedRun
from coordinator.tables.requests import EXTRA, LATE, as_booked, extra_answers, request_rows, spoken_columns

ONE: dict[str, Any] = {
    "owner": "n1",
    "batch_id": 4,
    "place": 0,
    "cached_tokens": 3,
    "prefilled_tokens": 5,
    "tokens_out": 11,
    "prefill_uj": 2_000_000,
    "decode_uj": 1_000_000,
    "waste_uj": 0,
    "half_width_uj": None,
    "latency_s": 3.0,
    "first_token_s": 1.0,
    "token_gap_s": 0.2,
    "content_bits": 800,
    "wire_bytes": 900,
    "failed": "",
}
DEAD = {
    **ONE,
    "place": 1,
    "cached_tokens": 0,
    "prefilled_tokens": 0,
    "tokens_out": 0,
    "prefill_uj": 0,
    "decode_uj": 0,
    "waste_uj": 1_000_000,
    "first_token_s": None,
    "token_gap_s": None,
    "content_bits": 0,
    "failed": "it died",
}


def line(component: str, energy_uj: int, grams: float, node: str = "n0") -> dict[str, Any]:
    return {
        "node_id": node,
        "stage": "application",
        "component": component,
        "energy_uj": energy_uj,
        "operational_pg": round(grams * 1e12),
    }


@pytest.fixture
def run() -> RecordedRun:
    made = RecordedRun([])
    made.usage[0, "n0"] = {"requests": [ONE, DEAD]}
    lines = [
        line("compute", 2_000_000, 0.2),
        line("static", 1_500_000, 0.1),
        line("waste", 500_000, 0.1),
        line("radio_tx", 9_000_000, 0.9),
        line("network", 9_000_000, 0.9, "network"),
    ]
    made.bookings[0, "n0"] = {"lines": lines}
    made.usage[1, "n0"] = {"requests": [ONE]}  # not booked yet
    return made


def test_rows_have_the_joules_and_the_grams_of_the_nodes_work(run: RecordedRun) -> None:
    one, dead = request_rows(run)
    assert (one["node_id"], one["owner"], one["batch_id"], one["failed"]) == ("n0", "n1", 4, None)
    assert (one["prefill_j"], one["decode_j"], dead["wasted_j"]) == (2.0, 1.0, 1.0)
    assert one["operational_g"] == pytest.approx(0.3)
    assert dead["operational_g"] == pytest.approx(0.1)
    assert (one["tokens_cached"], one["tokens_prefilled"], one["tokens_decoded"]) == (3, 5, 10)
    assert (one["joules_per_token_prefilled"], one["joules_per_token_decoded"]) == (0.4, 0.1)
    assert dead["joules_per_token_prefilled"] is None
    assert dead["failed"] == "it died"


def test_columns_of_serving_are_sums_and_quantiles() -> None:
    found = spoken_columns([ONE, DEAD, {**ONE, "first_token_s": 3.0}])
    assert (found["failed_requests"], found["tokens_prefilled"], found["wasted_j"]) == (1, 10, 1.0)
    assert (found["first_token_p50_s"], found["first_token_p95_s"]) == (1.0, 3.0)
    assert found["joules_per_token_decoded"] == pytest.approx(0.1)
    assert spoken_columns([]) == {}
    assert spoken_columns([ONE], 250_000)["other_wasted_j"] == 0.25
    assert found["other_wasted_j"] is None  # a ledger of a version before
    unread = {**DEAD, "part": "read", "cache_bytes": 0, "same": None}
    assert spoken_columns([ONE, unread])["failed_requests"] == 0  # the node that got it answers it


def test_what_came_after_the_end_of_its_slot_was_not_answered_and_is_waste(run: RecordedRun) -> None:
    run.bookings[0, "n0"]["late"] = True  # type: ignore[index]
    one, dead = request_rows(run)
    assert (one["failed"], dead["failed"]) == (LATE, "it died")
    assert (one["prefill_j"], one["decode_j"], one["wasted_j"]) == (0, 0, 3.0)
    assert (one["tokens_decoded"], one["bits"], one["first_token_s"]) == (0, 0, None)
    assert one["operational_g"] == pytest.approx(0.3)
    found = spoken_columns(as_booked([ONE, DEAD], {"late": True}))
    assert (found["failed_requests"], found["wasted_j"], found["tokens_decoded"]) == (2, 4.0, 0)


def twice(run: RecordedRun, first: dict[str, Any], second: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of a request that the executor n2 reported first, and then its owner n1, which had answered it too."""
    run.usage.clear()
    for node, one in (("n2", first), ("n1", second)):
        run.usage[0, node] = {"requests": [one]}
        run.bookings[0, node] = {"lines": [line("compute", 3_000_000, 0.5, node)], "late": False}
    return sorted(request_rows(run), key=lambda row: row["node_id"], reverse=True)


def test_of_two_answers_to_a_request_the_first_that_was_reported_counts(run: RecordedRun) -> None:
    counts, other = twice(run, ONE, {**ONE, "decode_uj": 1_500_000})
    assert (counts["node_id"], counts["failed"], counts["extra"], counts["tokens_out"]) == (
        "n2",
        None,
        None,
        11,
    )
    assert (other["node_id"], other["failed"], other["extra"], other["tokens_out"]) == ("n1", EXTRA, True, 0)
    assert (other["prefill_j"], other["decode_j"], other["wasted_j"], other["bits"]) == (0, 0, 3.5, 0)
    assert other["operational_g"] == pytest.approx(0.5 * 3.5 / 3.0), "its joules are no one else's"
    extra = extra_answers(run)
    assert extra == {(0, "n1"): {("n1", 4, 0)}}
    found = spoken_columns(as_booked(run.usage[0, "n1"]["requests"], {}, extra[0, "n1"]))
    assert (found["failed_requests"], found["wasted_j"], found["tokens_decoded"]) == (0, 3.5, 0)


def test_an_answer_counts_before_one_that_failed_or_came_late(run: RecordedRun) -> None:
    failed, counts = twice(run, {**DEAD, "place": 0}, ONE)
    assert (failed["failed"], failed["extra"], counts["failed"], counts["extra"]) == (
        "it died",
        True,
        None,
        None,
    )
    twice(run, ONE, ONE)
    run.bookings[0, "n2"]["late"] = True  # type: ignore[index]
    owner, late = request_rows(run)
    assert (late["failed"], late["extra"], owner["failed"], owner["extra"]) == (LATE, True, None, None)
    neither = twice(run, {**DEAD, "place": 0}, {**DEAD, "place": 0})
    assert [each["extra"] for each in neither] == [None, True], "one request that failed"


def test_a_prompt_that_was_read_for_another_node_is_no_second_answer(run: RecordedRun) -> None:
    read = {**ONE, "part": "read", "tokens_out": 0, "cache_bytes": 9, "same": None}
    written = {**ONE, "part": "write", "cache_bytes": 9, "same": None}
    one, two = twice(run, written, read)
    assert (one["extra"], one["failed"], two["extra"], two["failed"]) == (None, None, None, None)
