"""Ways to serve: links of users, and costs of batches."""

from __future__ import annotations

import itertools

import pytest

from experiments.studies.tree.model import Discipline, Service, SleepMode, build_machine
from experiments.studies.tree.parameters import load_parameters
from experiments.studies.tree.serving import ALONE, VARIANTS, Cost, Serving, cost_of

P = load_parameters()


def test_as_in_the_paper_there_is_one_request_one_link_and_the_roofline() -> None:
    machine = build_machine(P, Discipline.VR_FIRST, SleepMode.JOINT)
    assert machine == build_machine(P, Discipline.VR_FIRST, SleepMode.JOINT, ALONE)
    assert machine.batch == 1
    assert ALONE.links(P) == (P.bit_per_s_per_hz,)
    assert machine.airs_ps(Service.VR) == (machine.transmit_ps[Service.VR],)


@pytest.mark.parametrize("cost", list(Cost))
def test_a_batch_takes_longer_than_one_request_and_a_request_of_it_no_longer(cost: Cost) -> None:
    model = cost_of(P, cost)
    for tokens_in, tokens_out in ((4608, 8), (77, 256)):
        for one in (
            lambda batch, n=tokens_in: model.prefill_s(n, batch),
            lambda batch, n=tokens_in, m=tokens_out: model.decode_s(n, m, batch),
        ):
            times = [one(batch) for batch in range(1, 9)]
            assert all(a < b or a == pytest.approx(b) for a, b in itertools.pairwise(times))
            shares = [time / batch for batch, time in enumerate(times, 1)]
            assert all(b <= a * (1 + 1e-12) for a, b in itertools.pairwise(shares))


def test_eight_users_have_links_of_their_own_and_a_longer_mean_time_on_the_air() -> None:
    many = build_machine(P, Discipline.VR_FIRST, SleepMode.JOINT, Serving(users=8))
    airs = many.airs_ps(Service.VG)
    assert list(airs) == sorted(airs)
    assert len(set(airs)) == 8
    assert airs[0] == many.transmit_ps[Service.VG]
    assert many.air_s(Service.VG) > airs[0] / 1e12
    with pytest.raises(ValueError, match="users is 9; allowed are 1 to 8"):
        Serving(users=9).links(P)


def test_every_way_to_serve_has_a_name_of_its_own() -> None:
    assert len({serving.label for serving in (ALONE, *VARIANTS)}) == len(VARIANTS) + 1
