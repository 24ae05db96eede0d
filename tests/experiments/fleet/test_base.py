"""Interface of a fleet: nodes of a run behind one Flower grid, in processes that outlive the"""

from __future__ import annotations

import pytest

from experiments.fleet.base import deal, numbers_of, process_count


@pytest.mark.parametrize(("processes", "expected"), [("per-node", 10), ("auto", 4), (3, 3), (99, 10), (1, 1)])
def test_process_count(processes, expected):
    assert process_count(processes, nodes=10, cpus=4) == expected


@pytest.mark.parametrize("processes", ["many", 0, -1, True, 1.5])
def test_process_count_names_what_is_allowed(processes):
    with pytest.raises(ValueError, match=r"allowed are \"per-node\", \"auto\""):
        process_count(processes, nodes=10)


def test_every_node_is_dealt_to_exactly_one_process(node_configs):
    configs = node_configs(7)
    shares = deal(configs, 3)
    assert sorted(c.node_id for share in shares for c in share) == [c.node_id for c in configs]
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_node_ids_must_differ(node_configs):
    configs = node_configs(2)
    with pytest.raises(ValueError, match="must differ"):
        numbers_of([configs[0], configs[0]])
