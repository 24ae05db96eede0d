"""Parameters of the TREE case study, every one with its source, and the durations that follow from them."""

from __future__ import annotations

import pytest

from experiments.studies.tree.parameters import load_figures, load_parameters

P = load_parameters()


def test_table_one() -> None:
    assert (P.subcarriers, P.circuit_w, P.rf_chain_w, P.transmit_w) == (1024, 10.0, 1.0, 1.0)
    assert (P.dtx_cycle_s, P.dtx_switch_s, P.es_await_s, P.es_switch_s) == (0.03, 0.001, 0.03, 0.005)
    assert (P.es_sleep_w, P.es_inference_w) == (60.0, 117.37)
    assert (P.vr_bytes, P.vu_bytes, P.vg_bytes) == (1.95e6, 40e3, 1.5e6)
    assert all(figure.source for figure in load_figures().values())


def test_roofline_by_hand() -> None:
    weights = 2 * P.model_parameters
    assert P.prefill_s(4608) == pytest.approx(weights * 4608 / (0.45 * 165e12))
    assert P.prefill_s(1) == pytest.approx(
        weights / (0.7 * 1008e9)
    )  # short prompts are bound by reading the weights
    kv = sum(P.kv_bytes_per_token * (77 + i) for i in range(256))
    assert P.decode_s(77, 256) == pytest.approx((256 * weights + kv) / (0.7 * 1008e9))
