"""Secure aggregation: the sum of masked updates is the sum of the updates; what a node refuses to reveal."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protos.masking import cost, keys, masks, shamir
from protos.masking.party import MaskingError, Party, unmask

ABOUT = "run round-1"
VALUES = 257


def agreed(count: int, threshold: int) -> tuple[dict[int, Party], dict[int, dict[int, bytes]]]:
    """Nodes after round 1, and the sealed shares by receiver and sender."""
    parties = {10 * k + 3: Party(10 * k + 3, ABOUT) for k in range(count)}
    public = {node: party.public for node, party in parties.items()}
    inbox: dict[int, dict[int, bytes]] = {node: {} for node in parties}
    for sender, party in parties.items():
        for receiver, text in party.share(public, threshold).items():
            inbox[receiver][sender] = text
    return parties, inbox


@settings(max_examples=25, deadline=None)
@given(st.integers(3, 7), st.data())
def test_the_sum_is_that_of_the_nodes_that_answered_to_the_last_unit(count: int, data: st.DataObject) -> None:
    threshold = max(3, count // 2 + 1)
    parties, inbox = agreed(count, threshold)
    gone = data.draw(st.sets(st.sampled_from(sorted(parties)), max_size=count - threshold))
    rng = np.random.default_rng(count)
    updates = {node: rng.integers(0, 2**32, VALUES, dtype=np.uint32) for node in parties}
    sent = {node: party.masked(updates[node], inbox[node]) for node, party in parties.items()}
    alive = [node for node in parties if node not in gone]
    told = {node: parties[node].reveal(alive, sorted(gone)) for node in alive}
    public = {node: party.public for node, party in parties.items()}
    found = unmask(
        masks.add((sent[node] for node in alive), VALUES), public, told, alive, sorted(gone), ABOUT
    )
    np.testing.assert_array_equal(found, masks.add((updates[node] for node in alive), VALUES))


def test_a_masked_update_shows_nothing_of_it() -> None:
    """The same update twice looks like noise that is drawn anew: half of the bits differ."""
    seen = []
    for _ in range(2):
        parties, inbox = agreed(3, 3)
        node = min(parties)
        seen.append(parties[node].masked(np.zeros(VALUES, np.uint32), inbox[node]))
    differing = np.unpackbits((seen[0] ^ seen[1]).view(np.uint8)).mean()
    assert differing == pytest.approx(0.5, abs=0.03)
    assert np.unpackbits(seen[0].view(np.uint8)).mean() == pytest.approx(0.5, abs=0.03)


def test_a_node_reveals_no_two_shares_of_one_owner() -> None:
    parties, inbox = agreed(4, 3)
    first, *others = sorted(parties)
    for node, party in parties.items():
        party.masked(np.zeros(4, np.uint32), inbox[node])
    with pytest.raises(MaskingError, match="either alive or dropped"):
        parties[first].reveal([first, *others], [others[0]])
    with pytest.raises(MaskingError, match="2 nodes answered; needed are 3"):
        parties[first].reveal([first, others[0]], others[1:])
    with pytest.raises(MaskingError, match="either alive or dropped"):
        parties[first].reveal([first, *others[:-1]], [])
    parties[first].reveal([first, *others], [])
    with pytest.raises(MaskingError, match="already"):
        parties[first].reveal([first, *others[:-1]], [others[-1]])


def test_a_node_masks_once_and_only_with_shares_that_nobody_changed() -> None:
    parties, inbox = agreed(3, 3)
    node, other = sorted(parties)[:2]
    changed = bytearray(inbox[node][other])
    changed[0] ^= 1
    with pytest.raises(MaskingError, match="changed on its way"):
        parties[node].masked(np.zeros(4, np.uint32), {**inbox[node], other: bytes(changed)})
    parties[node].masked(np.zeros(4, np.uint32), inbox[node])
    with pytest.raises(MaskingError, match="already"):
        parties[node].masked(np.ones(4, np.uint32), inbox[node])


def test_shares_are_refused_to_rounds_that_would_protect_nothing() -> None:
    parties = {node: Party(node, ABOUT) for node in range(4)}
    public = {node: party.public for node, party in parties.items()}
    with pytest.raises(MaskingError, match="needed are 3 nodes"):
        parties[0].share({node: public[node] for node in (0, 1)}, 2)
    with pytest.raises(MaskingError, match="more than half"):
        parties[0].share(public, 2)
    with pytest.raises(MaskingError, match="3 nodes and a threshold of 2"):
        parties[0].share({node: public[node] for node in (0, 1, 2)}, 2)
    with pytest.raises(MaskingError, match="same key"):
        parties[0].share({**public, 2: public[1]}, 3)
    with pytest.raises(MaskingError, match="keys that it sent"):
        parties[0].share({**public, 0: public[1]}, 3)


@given(st.binary(min_size=32, max_size=32), st.integers(1, 8), st.data())
def test_any_shares_of_the_threshold_give_the_secret(
    secret: bytes, threshold: int, data: st.DataObject
) -> None:
    points = data.draw(st.integers(threshold, 9))
    shares = dict(enumerate(shamir.split(secret, points, threshold), 1))
    chosen = data.draw(st.permutations(sorted(shares)))[:threshold]
    assert shamir.combine({point: shares[point] for point in chosen}) == secret


def test_fewer_shares_give_no_secret() -> None:
    secret = bytes(range(32))
    shares = dict(enumerate(shamir.split(secret, 5, 3), 1))
    with pytest.raises(ValueError, match="not of one secret"):
        shamir.combine({point: shares[point] for point in (1, 2)})
    with pytest.raises(ValueError, match="32"):
        shamir.split(b"short", 3, 2)


def test_keys_are_those_of_rfc_7748() -> None:
    """Section 5.2, one iteration from the base point; both sides of an agreement get the same."""
    alice = bytes([9, *bytes(31)])
    public = "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079"
    assert keys.public_of(alice).hex() == public
    bob = keys.new_key()
    assert keys.agree(alice, keys.public_of(bob), "x") == keys.agree(bob, keys.public_of(alice), "x")
    assert keys.agree(alice, keys.public_of(bob), "x") != keys.agree(alice, keys.public_of(bob), "y")


def test_the_mask_is_the_key_stream_of_rfc_8439() -> None:
    """Appendix A.1, test vector 1: key, nonce and counter zero."""
    expected = bytes.fromhex("76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7")
    assert masks.mask(bytes(32), 8).tobytes() == expected


@settings(deadline=None)
@given(st.lists(st.integers(1, 5000), min_size=3, max_size=12), st.integers(0, 2**32 - 1))
def test_quantised_means_err_by_less_than_stated(weights: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    updates = [rng.uniform(-masks.LARGEST, masks.LARGEST, 64) for _ in weights]
    bits = masks.scale_bits(sum(weights), len(weights))
    total = masks.add((masks.to_ring(u, w, bits) for u, w in zip(updates, weights, strict=True)), 64)
    found = masks.from_ring(total, sum(weights), bits)
    exact = sum(u * w for u, w in zip(updates, weights, strict=True)) / sum(weights)
    assert np.abs(found - exact).max() <= masks.error_bound(len(weights), sum(weights), bits) + 1e-12


def test_values_that_do_not_fit_are_refused() -> None:
    for wrong in (9.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="allowed are 8"):
            masks.to_ring(np.array([wrong]), 1.0, 10)
    with pytest.raises(ValueError, match="no room"):
        masks.scale_bits(1e9, 3)


def test_sealed_texts_are_of_their_round() -> None:
    key = keys.agree(keys.new_key(), keys.public_of(keys.new_key()), "a")
    sealed = keys.seal(key, b"share", "round 1")
    assert keys.unseal(key, sealed, "round 1") == b"share"
    with pytest.raises(ValueError, match="changed"):
        keys.unseal(key, sealed, "round 2")


def test_counted_operations_grow_with_nodes_and_values() -> None:
    assert cost.masking(4, 1000) > cost.masking(3, 1000) > cost.masking(3, 999)
    assert cost.sharing(4, 3) > cost.sharing(3, 2)
    assert cost.keys() > 0
    assert cost.unmasking(3, 1, 1000, 3) > cost.unmasking(4, 0, 1000, 3) / 2
