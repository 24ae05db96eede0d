import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_node.tasks.partition import PARTITIONS, split

KINDS = st.sampled_from(["iid", "dirichlet", "contiguous"])


@given(
    kind=KINDS,
    groups=st.lists(st.integers(0, 9), min_size=1, max_size=200),
    data=st.data(),
    seed=st.integers(0, 2**31),
    alpha=st.floats(1e-3, 1e3),
)
def test_every_example_is_in_exactly_one_share_and_no_share_is_empty(kind, groups, data, seed, alpha):
    partitions = data.draw(st.integers(1, len(groups)))
    shares = split(kind, np.array(groups), partitions, seed, alpha)
    assert len(shares) == partitions
    assert all(len(share) > 0 for share in shares)
    assert np.array_equal(np.sort(np.concatenate(shares)), np.arange(len(groups)))


@given(kind=KINDS, seed=st.integers(0, 2**31))
def test_the_same_seed_gives_the_same_split(kind, seed):
    groups = np.arange(300) % 10
    for first, second in zip(
        split(kind, groups, 7, seed, 0.5), split(kind, groups, 7, seed, 0.5), strict=True
    ):
        assert np.array_equal(first, second)


@given(size=st.integers(10, 400), partitions=st.integers(1, 10), seed=st.integers(0, 2**31))
def test_iid_shares_differ_by_one_example_at_most(size, partitions, seed):
    sizes = [len(share) for share in split("iid", np.zeros(size, dtype=np.int64), partitions, seed, 1.0)]
    assert max(sizes) - min(sizes) <= 1


def test_a_small_alpha_skews_labels_more_than_a_large_one():
    groups = np.arange(5000) % 10

    def classes_that_matter(alpha: float) -> float:
        counts = [
            np.bincount(groups[share], minlength=10) for share in split("dirichlet", groups, 10, 3, alpha)
        ]
        return float(np.mean([(count > 0.02 * count.sum()).sum() for count in counts]))

    assert classes_that_matter(0.05) < 5 < classes_that_matter(100.0) == 10


@given(groups=st.lists(st.integers(0, 30), min_size=1, max_size=200), data=st.data(), seed=st.integers(0, 99))
def test_by_group_never_divides_a_group(groups, data, seed):
    partitions = data.draw(st.integers(1, len(set(groups))))
    shares = split("by-group", np.array(groups), partitions, seed, 1.0)
    owners = {}
    for node, share in enumerate(shares):
        assert len(share) > 0
        for group in np.array(groups)[share]:
            assert owners.setdefault(int(group), node) == node
    assert sum(map(len, shares)) == len(groups)


@pytest.mark.parametrize(
    ("kind", "partitions", "words"),
    [
        ("zipf", 2, "iid, dirichlet"),
        ("iid", 11, "fewer nodes"),
        ("iid", 0, "0 nodes"),
        ("by-group", 3, "2 groups"),
    ],
)
def test_what_cannot_be_split_says_so(kind, partitions, words):
    with pytest.raises(ValueError, match=words):
        split(kind, np.arange(10) % 2, partitions, 0, 0.5)


def test_kinds_are_what_the_error_lists():
    assert set(PARTITIONS) == {"iid", "dirichlet", "contiguous", "by-group"}
