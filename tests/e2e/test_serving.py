"""Requests of a whole run: counted once, their latency repeatable, their joules those of the ledger."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from experiments.cli import invoke
from experiments.resolve.resolve import resolve
from experiments.scenario.model import parse_scenario
from protos import latency
from tests.scenarios import SERVING, serving_scenario

NAMES = ("serving", "lines", "slots", "batch_flows")
NET_J_PER_BYTE = resolve(
    parse_scenario(SERVING.format(task="mnist-mlp", data="digits", arrivals="poisson", target=1))
).net_j_per_byte


def run(folder: Path, text: str, policy: str = "dat") -> dict[str, pd.DataFrame]:
    path = folder / "scenario.toml"
    folder.mkdir()
    path.write_text(text)
    arguments = ["run", str(path), "--policy", policy, "--output", str(folder / "run"), "--no-report"]
    assert invoke(arguments) == 0
    return {name: pd.read_parquet(folder / f"run/{name}.parquet") for name in NAMES}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    return run(tmp_path_factory.mktemp("serving") / "a", serving_scenario())


def planned(text: str) -> list[Any]:
    from edge_node.serving.arrivals import RequestPlan

    configs = resolve(parse_scenario(text)).node_configs("run", "", with_harvest=True)
    return [RequestPlan.of(config) for config in configs]


def test_every_request_is_answered_once_wherever_it_ran(tables: dict[str, pd.DataFrame]) -> None:
    serving, plans = tables["serving"], planned(serving_scenario())
    for slot in (1, 2, 3):
        arrived = 0
        for plan in plans:
            first = sum(plan.released[:slot])
            arrived += plan.requests_in(range(first, first + plan.released[slot]))
        assert serving[serving.slot == slot].requests.sum() == arrived
    assert serving.unserved_requests.sum() == 0
    assert tables["slots"].requests.sum() == serving.requests.sum()
    assert (
        tables["slots"].tokens_in.sum() == tables["slots"].tokens_out.sum() == serving.tokens_out.sum() == 0
    )
    assert tables["slots"].offloaded_batches[tables["slots"].stage == "application"].sum() > 0


def test_serving_energy_is_that_of_the_ledgers_application_lines(tables: dict[str, pd.DataFrame]) -> None:
    """A node's own lines, and what requests and answers took beside them: the network's and the devices' lines, whose
    sum is the model's bytes in the network apart."""
    lines, serving, slots = tables["lines"], tables["serving"], tables["slots"]
    nodes = set(slots.node_id)
    application = lines[lines.stage == "application"]
    own = application[application.node_id.isin(nodes)].groupby(["slot", "node_id"]).energy_j.sum()
    found = serving.set_index(["slot", "node_id"]).astype({"energy_j": float, "carried_j": float})
    left = (found.energy_j - found.carried_j - own).abs()
    assert left.max() < 1e-9
    beside = application[application.node_id.isin(["network", "devices"])].energy_j.sum()
    flows, net = tables["batch_flows"], NET_J_PER_BYTE
    models = slots[slots.stage == "application"].model_bytes.sum() * net
    moved = flows[flows.slot.isin(serving.slot)].payload_bytes.sum() * net
    assert found.carried_j.sum() == pytest.approx(beside - models - moved, abs=1e-5)
    assert found.carried_j.sum() > 0
    per_answer = serving.energy_j / serving.requests
    assert np.allclose(per_answer.astype(float), serving.joules_per_request.astype(float))
    assert serving.joules_per_token.isna().all()  # a class is no token


def computing_j(tables: dict[str, pd.DataFrame]) -> pd.Series:
    """Computation and static joules of each row of ``serving``."""
    lines, serving = tables["lines"], tables["serving"]
    own = lines[(lines.stage == "application") & lines.component.isin(["compute", "static"])]
    sums = own.groupby(["slot", "node_id"]).energy_j.sum()
    return pd.Series([sums[row.slot, row.node_id] for row in serving.itertuples()], dtype=float)


def test_a_class_comes_out_of_one_pass_over_the_image(tables: dict[str, pd.DataFrame]) -> None:
    serving = tables["serving"]
    assert (serving.decode_s == 0).all()
    assert (serving.decode_j == 0).all()
    pd.testing.assert_series_equal(computing_j(tables), serving.prefill_j.astype(float), check_names=False)


def test_percentiles_and_counts_agree(tables: dict[str, pd.DataFrame]) -> None:
    for row in tables["serving"].itertuples():
        counts = dict(zip(row.latency_bins, row.latency_counts, strict=True))
        assert sum(counts.values()) == row.requests
        for name, fraction in (("latency_p50_s", 0.5), ("latency_p95_s", 0.95), ("latency_p99_s", 0.99)):
            assert latency.quantile(counts, fraction) == pytest.approx(getattr(row, name), rel=0.0101)
        late = sum(number for k, number in counts.items() if latency.latency_of(k) > 0.01 * 1.011)
        early = sum(number for k, number in counts.items() if latency.latency_of(k) < 0.01 / 1.011)
        assert late <= row.deadline_misses <= row.requests - early


def test_latencies_repeat_exactly_under_the_modelled_meter(
    tables: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    pd.testing.assert_frame_equal(tables["serving"], run(tmp_path / "again", serving_scenario())["serving"])


def test_generated_tokens_are_counted_apart_from_read_ones(tmp_path: Path) -> None:
    text = serving_scenario(task="tiny-gpt", data="pydoc", target=1.0).replace(
        "batches_per_slot = 12", "batches_per_slot = 1"
    )
    text = text.replace(
        "batches_per_slot = 3\nrequests_per_batch = 16", "batches_per_slot = 1\nrequests_per_batch = 2"
    )
    result = run(tmp_path / "gpt", text, "local")
    serving = result["serving"]
    assert (serving.tokens_out == 16 * serving.requests).all()
    assert (serving.tokens_in == 64 * serving.requests).all()
    assert set(serving.service) == {"tiny-gpt"}
    # Prefill and decode by their counted work, on the board's speed; their joules are the computation's.
    from edge_node.tasks.registry import find_task
    from edge_node.tasks.text import decode_flop, prefill_flop

    model = find_task("tiny-gpt").model()
    speed = (
        resolve(parse_scenario(text)).node_configs("run", "", with_harvest=True)[0].board.effective_flop_per_s
    )
    assert np.allclose(serving.prefill_s, serving.requests * prefill_flop(model) / speed)
    assert np.allclose(serving.decode_s, serving.requests * decode_flop(model) / speed)
    pd.testing.assert_series_equal(computing_j(result), (serving.prefill_j + serving.decode_j).astype(float))
    per_token_in, per_token_out = serving.prefill_j / serving.tokens_in, serving.decode_j / serving.tokens_out
    assert (per_token_out > per_token_in).all()  # the cache is read again for every token


def test_measured_service_times_are_used_with_the_cpu_time_meter(tmp_path: Path) -> None:
    text = serving_scenario().replace('kind = "inprocess"', 'kind = "inprocess"\nmeter = "cpu-time"')
    serving = run(tmp_path / "cpu", text, "local")["serving"]
    assert (serving.latency_p50_s > 0).all()
    assert serving.requests.sum() == sum(len(plan.arrival_s) for plan in planned(serving_scenario()))


def test_the_report_and_the_json_state_the_results_of_serving(
    tables: dict[str, pd.DataFrame], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "scenario.toml"
    path.write_text(serving_scenario())
    assert invoke(["run", str(path), "--policy", "dat", "--output", str(tmp_path / "run"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)["serving"]
    serving = tables["serving"]
    assert said["requests"] == serving.requests.sum()
    assert said["energy_j"] == pytest.approx(serving.energy_j.sum())
    assert said["joules_per_request"] == pytest.approx(serving.energy_j.sum() / serving.requests.sum())
    assert said["joules_per_token"] is None
    assert said["tree_serving_bit_per_j"] == said["ee_serving_bit_per_j"]
    assert set(said["services"]) == {"mnist-mlp"}
    assert said["latency_p50_s"] <= said["latency_p95_s"] <= said["latency_p99_s"]
    assert 'id="serving"' in (tmp_path / "run/report.html").read_text()
    by_node = pd.read_csv(tmp_path / "run/tables/serving.csv")
    assert by_node[by_node.node_id.notna()].requests.sum() == said["requests"]
    assert not (tmp_path / "run/tables/figure-tree-alpha.csv").exists()  # no token, no weight
    assert said["outside_requests"] == 0
    assert said["outside_worst_p95_s"] is None


def test_the_report_shows_the_latency_of_outside_clients_apart(tmp_path: Path) -> None:
    run(tmp_path / "asked", serving_scenario(), "local")
    folder = tmp_path / "asked/run"
    (path,) = folder.rglob("serving.parquet")
    serving = pd.read_parquet(path)
    serving.loc[:1, "outside_requests"] = 5
    serving.loc[:1, "outside_latency_p95_s"] = [0.2, 0.5]
    serving.to_parquet(path)
    assert invoke(["report", str(folder)]) == 0
    by_node = pd.read_csv(folder / "tables/serving.csv")
    assert by_node[by_node.node_id.isna()].outside_worst_p95_s.tolist() == [0.5]
    assert "outside p95, worst slot" in (folder / "report.html").read_text()


WAITING = "[limits]\ndeadline_slots = 2\n[coordinator]\nhorizon_slots = {horizon}\n[inference]"


@pytest.mark.parametrize(("target", "waits"), [(0.01, False), (1e3, True)])
def test_a_latency_target_is_a_deadline_where_work_may_wait(
    tmp_path: Path, target: float, waits: bool
) -> None:
    """Work may be put off by two slots, requests only as far as their target allows."""
    text = serving_scenario(target=target).replace("[inference]", WAITING.format(horizon=3))
    result = run(tmp_path / "waits", text, "time-shift")
    serving = result["serving"]
    assert serving.requests.sum() == sum(len(plan.arrival_s) for plan in planned(text))
    assert serving.unserved_requests.sum() == 0
    slot_s = resolve(parse_scenario(text)).slot_s
    assert (serving.latency_p99_s.max() > slot_s) == waits


def test_requests_with_a_tight_target_may_still_be_offloaded(tmp_path: Path) -> None:
    """(D5) holds for what is released, also where it may not wait as long as other work."""
    text = serving_scenario().replace("[inference]", WAITING.format(horizon=1))
    slots = run(tmp_path / "tight", text, "dat")["slots"]
    application = slots[slots.stage == "application"]
    assert application.offloaded_batches.sum() > 0
    assert (application.offloaded_batches <= application.released_batches / 2).all()
    assert slots.released_batches.sum() == slots.executed_batches.sum()
