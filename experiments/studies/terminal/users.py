"""Several users on one edge server: how each shares out its inferences, and what that costs all of them.

Users are terminals of one kind at one distance, ten frames a second each, at moments of their own. The link is shared
by time slots, one share per user. Five ways: all local; all send the frame; all cut where one user alone would cut;
each does what is best for one user alone; and each knows its share of the link and what queues at the server.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from edge_node.splitting.controller import Option, Rules, Scene, best
from edge_node.splitting.energy import Link
from edge_node.splitting.shared import SharedRun, simulate
from experiments.report.claims.figure import ClaimFigure
from experiments.studies.terminal.checks import check
from experiments.studies.terminal.settings import FRAME_PERIOD_S

USERS = (1, 2, 4, 8, 16, 32)
USERS_DISTANCES_M = (500.0, 1000.0)
SMALL_SERVER_FLOP_PER_S = 1e9
"""Choice: a server that sixteen users nearly fill, and thirty-two do more than that; the parameters' own is hardly
busy with them."""
SCENES = 2 * len(USERS_DISTANCES_M)
"""Two servers at each distance."""
USERS_FRAMES = 100
"""Of each user, ten seconds."""
TRIAL_FRAMES = 20
"""Of each user, while one tries its options."""
ROUNDS = 4
"""At most; a round in which nobody changes is the last."""
TIMELY_FRACTION = 0.95
"""Share of frames that must meet the deadline for an option to count as timely."""
ALL_LOCAL, ALL_FULL, ALL_PARTIAL = "all local", "all full", "all partial"
ALONE, INFORMED = "each as if alone", "each knows share and queue"
EXACT_FRACTION = 1e-9
"""One user against (E3): rounding."""


@dataclass(frozen=True, slots=True)
class Shared:
    """Users on one link and one server."""

    options: Mapping[str, Option]
    """Accurate enough; "local" and "full" among them."""
    scene: Scene
    link: Link
    """Of a user that has it to itself."""
    rules: Rules
    offsets_s: Sequence[float]
    """When each user's first frame comes; as many as there are users."""

    def run(self, chosen: Sequence[str], frames: int) -> SharedRun:
        """Every user runs the option of its place in ``chosen``."""
        return simulate(
            [self.options[name].split for name in chosen],
            self.offsets_s,
            self.scene.terminal,
            self.scene.server,
            self.scene.access_point,
            self.link,
            FRAME_PERIOD_S,
            frames,
        )

    def alone(self) -> str:
        """Best for one user that has link and server to itself."""
        return best(self.options, self.scene, self.link, self.rules)

    def partial(self) -> str:
        """The cut with the fewest joules for one user alone."""
        cuts = {name: o for name, o in self.options.items() if o.split.terminal_flop and o.split.up_bytes}
        return best(cuts, self.scene, self.link, self.rules)

    def informed(self) -> list[str]:
        """Option by user: in turn each takes its best against what the others do at present, until nobody changes.

        Best is the fewest terminal joules among the options timely in ``TIMELY_FRACTION`` of the frames; where none
        is, the one with the lowest such quantile of latency.
        """
        chosen = [self.alone()] * len(self.offsets_s)
        for _ in range(ROUNDS):
            before = list(chosen)
            for user in range(len(chosen)):
                chosen[user] = self._answer(chosen, user)
            if chosen == before:
                break
        return chosen

    def _answer(self, chosen: list[str], user: int) -> str:
        found: dict[str, tuple[bool, float]] = {}
        for name in self.options:
            run = self.run([*chosen[:user], name, *chosen[user + 1 :]], TRIAL_FRAMES)
            slow_s = float(np.quantile(run.latency_s[user], TIMELY_FRACTION))
            late = slow_s > self.rules.deadline_s
            found[name] = (late, slow_s if late else float(run.terminal_j[user].mean()))
        return min(found, key=lambda name: found[name])


def users_table(
    options: Mapping[str, Option],
    scene: Scene,
    links: Mapping[float, Link],
    rules: Rules,
    seed: int,
    advance: Callable[[str], None],
) -> pd.DataFrame:
    """One row per distance, server, number of users and way; joules and bytes per frame, mean over users.

    Args:
        options: Of dynamic partition; those below ``rules.least_accuracy_fraction`` are left out.
        scene: The machines, with the reference server.
        links: By distance in metres, at least ``USERS_DISTANCES_M``.
        rules: Accuracy and deadline.
        seed: Of the moments at which users' frames come.
        advance: Called once per distance and server.
    """
    accurate = {n: o for n, o in options.items() if o.accuracy_fraction >= rules.least_accuracy_fraction}
    offsets_s = np.random.default_rng((seed, 4)).uniform(0.0, FRAME_PERIOD_S, max(USERS)).tolist()
    rows: list[dict[str, Any]] = []
    for distance_m in USERS_DISTANCES_M:
        for speed in (scene.server.flop_per_s, SMALL_SERVER_FLOP_PER_S):
            there = replace(scene, server=replace(scene.server, flop_per_s=speed))
            for count in USERS:
                shared = Shared(accurate, there, links[distance_m], rules, offsets_s[:count])
                ways = {
                    ALL_LOCAL: ["local"] * count,
                    ALL_FULL: ["full"] * count,
                    ALL_PARTIAL: [shared.partial()] * count,
                    ALONE: [shared.alone()] * count,
                    INFORMED: shared.informed(),
                }
                for way, chosen in ways.items():
                    place = {"distance_m": distance_m, "rate_bit_per_s": links[distance_m].up_bit_per_s}
                    rows.append(
                        place
                        | {"server_flop_per_s": speed, "users": count, "way": way}
                        | _row(shared, chosen)
                    )
            advance(f"users at {distance_m:.0f} m")
    return pd.DataFrame(rows)


def _row(shared: Shared, chosen: list[str]) -> dict[str, Any]:
    run = shared.run(chosen, USERS_FRAMES)
    splits = [shared.options[name].split for name in chosen]
    busy = sum(split.server_flop for split in splits if split.up_bytes) / shared.scene.server.flop_per_s
    spent = [shared.scene.cost(split, shared.link).terminal_j for split in splits]
    names = sorted(set(chosen), key=lambda name: (-chosen.count(name), name))
    return {
        "runs": "; ".join(f"{chosen.count(name)} x {name}" for name in names),
        "server_load_fraction": busy / FRAME_PERIOD_S,
        "terminal_j": float(run.terminal_j.mean()),
        "system_j": float(run.system_j.mean()),
        "up_bytes": float(np.mean([split.up_bytes for split in splits])),
        "waiting_j": float(run.terminal_j.mean() - np.mean(spent)),
        "latency_p50_s": float(np.quantile(run.latency_s, 0.5)),
        "latency_p95_s": float(np.quantile(run.latency_s, 0.95)),
        "late_fraction": float((run.latency_s > shared.rules.deadline_s).mean()),
        "accuracy_fraction": float(np.mean([shared.options[name].accuracy_fraction for name in chosen])),
    }


def judge(users: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Verdicts by name, from ``users_table``."""
    keys = ["distance_m", "server_flop_per_s", "users"]
    by_way = {way: part.set_index(keys) for way, part in users.groupby("way")}
    informed, alone, local = by_way[INFORMED], by_way[ALONE], by_way[ALL_LOCAL]
    timely = informed["late_fraction"] <= alone["late_fraction"]
    cheap = informed["terminal_j"] <= local["terminal_j"]
    total = len(informed)
    spent_j, as_alone_j = (way.reindex(informed.index)["terminal_j"].to_numpy() for way in (informed, alone))
    widest = int(np.argmax(as_alone_j - spent_j))
    sent_bytes, sent_as_alone_bytes = (
        way.reindex(informed.index)["up_bytes"].to_numpy() for way in (informed, alone)
    )
    most = max(USERS)
    late = users[users["users"] == most].groupby("way")["late_fraction"].max()
    single = by_way[ALONE].xs(1, level="users")
    waiting = float((single["waiting_j"].abs() / single["terminal_j"]).max())
    return {
        "users": check(
            bool((timely & cheap).all()),
            "Users that know their share of the link and the server's queue are late no more often than users that "
            "decide as if alone, and spend no more terminal joules than computing locally, with any number of users.",
            f"{int((timely & cheap).sum())} of {total} scenes ({int(timely.sum())} no later, {int(cheap.sum())} no "
            f"more joules); late with {most} users, worst scene: {late[INFORMED]:.0%} instead of {late[ALONE]:.0%} as "
            f"if alone; where they differ most, {1e3 * spent_j[widest]:.3g} mJ a frame at the terminal "
            f"instead of {1e3 * as_alone_j[widest]:.3g}, and {sent_bytes[widest]:.0f} bytes up instead of "
            f"{sent_as_alone_bytes[widest]:.0f}",
            ClaimFigure(
                "scenes in which both hold",
                ours=float((timely & cheap).sum()),
                at_least=float(total),
                unit=f"of {total}",
            ),
        ),
        "one-user": check(
            waiting <= EXACT_FRACTION,
            "One user alone pays what (E3) says.",
            f"largest difference {waiting:.1e} of its joules",
            ClaimFigure("largest relative difference from (E3)", ours=waiting, at_most=EXACT_FRACTION),
            "waiting begins with the second user, and one user's frames here are answered before the next one comes",
        ),
    }
