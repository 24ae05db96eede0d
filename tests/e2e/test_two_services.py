"""Two services in one run: nothing is lost or counted twice, their joules equal the ledger's, and figures have
names."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from coordinator.ledger.verify import verify
from edge_node.serving.arrivals import RequestPlan
from edge_node.tasks.registry import configured_task, find_task
from experiments.cli import invoke
from experiments.errors import UsageError
from experiments.report.measures import totals
from experiments.report.read import load_run
from experiments.report.serving import serving_totals
from experiments.resolve.resolve import resolve
from experiments.scenario.model import parse_scenario
from tests.scenarios import THREE_NODES

ALPHA = 1_000.0
SCENARIO = (
    f"""name = "two"
[stages]
preparation = 0
development = 1
application = 2
recycling = 0
[time]
start = 2022-06-21T16:00:00Z
[task]
data = "digits"
batch_size = 16
batches_per_slot = 12
[inference]
arrivals = "poisson"
batches_per_slot = 6
requests_per_batch = 16
max_wait_s = 0.002
[[inference.services]]
name = "words"
data = "pydoc"
load_fraction = 0.2
prompt_tokens = 6
answer_tokens = 3
requests_per_batch = 2
max_wait_s = 0.01
latency_target_s = 0.5
[network]
net_j_per_byte = 1e-8
[harvest]
kind = "none"
[tree]
alpha_bits_per_token = {ALPHA}
"""
    + THREE_NODES
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("two")
    (root / "two.toml").write_text(SCENARIO)
    assert invoke(["run", str(root / "two.toml"), "--policy", "dat", "--output", str(root / "run")]) == 0
    return root / "run"


@pytest.fixture(scope="module")
def serving(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder / "serving.parquet")


def test_every_request_of_each_service_is_answered_once_wherever_it_ran(
    folder: Path, serving: pd.DataFrame
) -> None:
    configs = resolve(parse_scenario(SCENARIO)).node_configs("run", "", with_harvest=True)
    plans = [RequestPlan.of(config) for config in configs]
    for kind, name in ((0, "mnist-mlp"), (1, "words")):
        arrived = sum(
            int(size) for plan in plans for k, size in zip(plan.kinds, plan.sizes, strict=True) if k == kind
        )
        assert serving[serving.service == name].requests.sum() == arrived > 0
    assert serving.unserved_requests.sum() == 0
    flows = pd.read_parquet(folder / "batch_flows.parquet")
    moved_in = set(flows[flows.slot > 0].executor)
    for name in ("mnist-mlp", "words"):  # batches of both went to the cleanest node
        own = serving[(serving.service == name) & serving.node_id.isin(moved_in)]
        asked = sum(
            int(size)
            for config, plan in zip(configs, plans, strict=True)
            if config.node_id in moved_in
            for k, size in zip(plan.kinds, plan.sizes, strict=True)
            if (k == 1) == (name == "words")
        )
        assert own.requests.sum() > asked
    assert verify(folder / "ledger.sqlite").ok


def test_tokens_are_the_generating_services_alone(folder: Path, serving: pd.DataFrame) -> None:
    words, images = serving[serving.service == "words"], serving[serving.service == "mnist-mlp"]
    assert (words.tokens_in == 6 * words.requests).all()
    assert (words.tokens_out == 3 * words.requests).all()
    assert (images.tokens_in + images.tokens_out == 0).all()
    slots = pd.read_parquet(folder / "slots.parquet")
    for name in ("requests", "tokens_in", "tokens_out", "bits"):
        assert slots[name].sum() == serving[name].sum()
        assert pd.read_parquet(folder / "nodes.parquet")[name].sum() == serving[name].sum()


def test_the_services_share_the_ledgers_application_lines(folder: Path, serving: pd.DataFrame) -> None:
    lines = pd.read_parquet(folder / "lines.parquet")
    own = lines[(lines.stage == "application") & lines.node_id.isin(set(serving.node_id))]
    keys = ["slot", "node_id"]
    nodes_j = (
        (serving.energy_j - serving.carried_j).groupby([serving.slot, serving.node_id]).sum().astype(float)
    )
    assert np.allclose(nodes_j, own.groupby(keys).energy_j.sum().reindex(nodes_j.index), rtol=1e-9)
    # What carried users' bytes is theirs as well, by bits: devices, and the network to them.
    carried = lines[(lines.stage == "application") & lines.node_id.isin(["devices", "network"])]
    assert (
        0
        < lines[lines.node_id == "devices"].energy_j.sum()
        < serving.carried_j.sum()
        <= carried.energy_j.sum()
    )
    sums = serving.groupby(keys)[["carried_j", "bits"]].transform("sum").astype(float)
    by_bits = sums.carried_j * serving.bits.astype(float) / sums.bits
    assert np.allclose(serving.carried_j.astype(float), by_bits, atol=4e-6)  # lines are whole microjoules
    # Computation by board time, prefill and decode apart.
    computing = own[own.component.isin(["compute", "static"])].groupby(keys).energy_j.sum()
    phases = (serving.prefill_j + serving.decode_j).groupby([serving.slot, serving.node_id]).sum()
    assert np.allclose(phases.astype(float), computing.reindex(phases.index), atol=3e-6)
    words, images = serving[serving.service == "words"], serving[serving.service == "mnist-mlp"]
    assert (words.decode_j > 0).all()
    assert (images.decode_j == 0).all()


def test_every_figure_has_one_name_and_says_what_it_divides_by(folder: Path) -> None:
    run = load_run(folder)
    testbed, served = totals(run), serving_totals(run)
    assert served is not None
    lines, table = run.tables["lines"], run.tables["serving"]
    bits, tokens = table.bits.sum(), table.tokens_in.sum() + table.tokens_out.sum()
    everything, application = lines.energy_j.sum(), table.energy_j.sum()
    assert testbed.tree_testbed_bit_per_j == pytest.approx((bits + ALPHA * tokens) / everything)
    assert testbed.ee_testbed_bit_per_j == pytest.approx(bits / everything)
    assert served.tree_serving_bit_per_j == pytest.approx((bits + ALPHA * tokens) / application)
    generated = (bits + ALPHA * table.tokens_out.sum()) / application
    assert served.tree_generated_serving_bit_per_j == pytest.approx(generated)
    words, images = (serving_totals(run, service=name) for name in ("words", "mnist-mlp"))
    assert words is not None
    assert images is not None
    assert images.tree_serving_bit_per_j == images.ee_serving_bit_per_j
    assert words.tree_serving_bit_per_j > words.ee_serving_bit_per_j  # type: ignore[operator]
    assert (
        served.joules_per_token
        == words.joules_per_token
        == words.energy_j / (words.tokens_in + words.tokens_out)
    )
    assert served.joules_per_token_in == pytest.approx(words.prefill_j / words.tokens_in)
    assert served.joules_per_token_decoded == pytest.approx(words.decode_j / words.tokens_out)
    page = (folder / "report.html").read_text()
    assert "TREE of the testbed" in page
    assert "TREE, serving" in page
    assert "untrained, drawn from the seed" in page
    ambiguous = {"tree_bit_per_j", "ee_bit_per_j"}
    for name in ("policies", "runs", "nodes", "serving"):
        assert not ambiguous & set(pd.read_csv(folder / f"tables/{name}.csv").columns)
    told = json.loads((folder / "metadata.json").read_text())["services"]
    assert [(one["name"], one["task"]) for one in told] == [("words", "tiny-gpt")]


def test_a_batch_costs_the_same_wherever_it_is_planned() -> None:
    resolved = resolve(parse_scenario(SCENARIO))
    planned = {one.planned_flop_per_batch for one in resolved.inference}
    assert len(planned) == 1
    each = (find_task("mnist-mlp").serve_flop(), configured_task("tiny-gpt", 6, 3).serve_flop())
    plans = [RequestPlan.of(config) for config in resolved.node_configs("run", "", with_harvest=True)]
    flop = sum(each[kind] * size for plan in plans for kind, size in zip(plan.kinds, plan.sizes, strict=True))
    assert planned.pop() == pytest.approx(flop / sum(len(plan.cuts) for plan in plans))


def test_an_automatic_slot_has_room_for_both_services() -> None:
    """Half of a slot is work on average, as without a second service, also where that takes a fifth of any slot."""
    many = SCENARIO.replace("batches_per_slot = 6", "batches_per_slot = 200")
    resolved = resolve(parse_scenario(many))
    speed = resolved.boards[0].effective_flop_per_s
    images_s = 200 * 16 * find_task("mnist-mlp").serve_flop() / speed
    assert images_s / resolved.slot_s + 0.2 == pytest.approx(0.5)
    words_per_s = resolved.inference[0].services[0].rate_per_s[1]
    assert words_per_s * configured_task("tiny-gpt", 6, 3).serve_flop() / speed == pytest.approx(0.2)


def test_a_run_folder_names_what_it_needs_to_be_repeated(folder: Path) -> None:
    kept = parse_scenario((folder / "scenario.toml").read_text())
    assert [(one.label, one.task, one.data) for one in kept.inference.services] == [
        ("words", "tiny-gpt", "pydoc")
    ]
    again, first = resolve(kept), resolve(parse_scenario(SCENARIO))
    assert again.inference == first.inference


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "words"', 'name = "mnist-mlp"', "called mnist-mlp, like the learned task"),
        ("load_fraction = 0.2", "", "requests_per_s or load_fraction"),
        (
            "load_fraction = 0.2",
            "load_fraction = 0.2\nrequests_per_s = 3.0",
            "requests_per_s or load_fraction",
        ),
        ("prompt_tokens = 6", "prompt_tokens = 79", "79 and answer_tokens 3; allowed .* 80 together"),
        ('data = "pydoc"', 'task = "mnist-cnn"\ndata = "digits"', "mnist-cnn generates no tokens"),
        ('data = "pydoc"', 'data = "novels"', "inference.services.*novels"),
        ('data = "pydoc"', 'task = "gpt-9"', "inference.services.*gpt-9"),
        ("load_fraction = 0.2", "requests_per_s = 1e8", "inference.services.*requests would reach a node"),
    ],
)
def test_services_that_cannot_be_had_are_refused_with_the_place(old: str, new: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        resolve(parse_scenario(SCENARIO.replace(old, new)))


def to_older_kind(folder: Path) -> None:
    """Tables as the version before tokens were booked apart wrote them: every class counted as a token."""
    serving = pd.read_parquet(folder / "serving.parquet")
    classes = serving.requests.where(serving.tokens_in == 0, serving.tokens_out)
    old = serving.assign(tokens_out=classes, tree_bit_per_j=1.0, ee_bit_per_j=1.0)
    gone = [name for name in serving if name.endswith("_serving_bit_per_j")] + ["joules_per_request"]
    old.drop(columns=gone).to_parquet(folder / "serving.parquet")
    tokens = old.groupby(["slot", "node_id"]).tokens_out.sum().rename("tokens").reset_index()
    slots = pd.read_parquet(folder / "slots.parquet").drop(columns=["tokens_in", "tokens_out"])
    slots = slots.merge(tokens, on=["slot", "node_id"], how="left")
    slots["tokens"] = slots["tokens"].fillna(0)
    slots.to_parquet(folder / "slots.parquet")
    nodes = pd.read_parquet(folder / "nodes.parquet")
    nodes = nodes.drop(
        columns=["tokens_in", "tokens_out", *[n for n in nodes if n.endswith("_node_bit_per_j")]]
    )
    nodes = nodes.merge(slots.groupby("node_id").tokens.sum().reset_index(), on="node_id")
    nodes.assign(tree_bit_per_j=1.0, ee_bit_per_j=1.0).to_parquet(folder / "nodes.parquet")


def test_folders_of_the_older_kind_are_read_with_todays_meaning(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "old")
    to_older_kind(tmp_path / "old")
    today, older = load_run(folder), load_run(tmp_path / "old")
    assert totals(older) == totals(today)
    assert serving_totals(older) == serving_totals(today)
    for name in ("tokens_in", "tokens_out", "tree_node_bit_per_j", "tree_generated_node_bit_per_j"):
        pd.testing.assert_series_equal(
            older.tables["nodes"][name], today.tables["nodes"][name], check_dtype=False
        )
    assert invoke(["report", str(tmp_path / "old")]) == 0


def test_a_folder_that_never_said_what_it_served_has_no_tokens_and_no_zero(
    folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(folder, tmp_path / "ancient")
    to_older_kind(tmp_path / "ancient")
    (tmp_path / "ancient/serving.parquet").unlink()
    one = totals(load_run(tmp_path / "ancient"))
    assert (one.tokens_in, one.tokens_out, one.tree_testbed_bit_per_j) == (None, None, None)
    assert one.ee_testbed_bit_per_j is not None
    assert invoke(["report", str(tmp_path / "ancient")]) == 0
