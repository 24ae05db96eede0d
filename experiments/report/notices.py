"""Notices for the reader before the figures: losses, fallbacks, baselines that were not run, balances that
do not close."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from coordinator.market.decision import WIDE_FORM
from experiments.report import style, units
from experiments.report.away import away
from experiments.report.baselines import BASELINES, ORIGIN, is_worked_out, there
from experiments.report.measures import checks, decision_counts, totals
from experiments.report.node_names import named, node_names
from experiments.report.read import Run, Study
from experiments.report.tokens_table import own_requests
from experiments.wording import few

NOT_LATE = 0.01
"""Share of a slot by which work may take longer without a word."""
Level = Literal["bad", "warn", "info"]


@dataclass(frozen=True, slots=True)
class Notice:
    level: Level
    title: str
    text: str


def notices(study: Study) -> list[Notice]:
    """Notices in order of importance; empty when there are none."""
    found = [
        *_books(study),
        *_absent(study),
        *_losses(study),
        *_estimates(study),
        *_failures(study),
        *_failed_requests(study),
        *_unanswered(study),
        *_stale(study),
        *_not_switched(study),
        *_overruns(study),
        *_restarts(study),
        *_resumptions(study),
        *_work(study),
        *_unselected(study),
        *_decisions(study),
        *_look_ahead(study),
        *_warnings(study),
        *_baselines(study),
    ]
    return sorted(found, key=lambda notice: ("bad", "warn", "info").index(notice.level))


def _books(study: Study) -> list[Notice]:
    return [
        Notice(
            "bad",
            "The books do not close",
            f"{c.name} {c.equation}: relative residual {units.number(c.residual_fraction, 2)}",
        )
        for c in checks(study)
        if not c.holds
    ]


def _absent(study: Study) -> list[Notice]:
    found = [Notice("bad", "Failed run", f"{name}: {why}") for name, why in study.failed.items()]
    if study.absent:
        found.append(Notice("bad", "Incomplete comparison", "; ".join(study.absent)))
    return found


def _where(run: Run) -> str:
    return f"{style.policy_label(run.policy)}, seed {run.seed}"


def _losses(study: Study) -> list[Notice]:
    found = []
    for run in study:
        slots = run.tables["slots"]
        dead = slots[~slots["alive"]]
        if len(dead):
            first = dead.groupby("node_id")["slot"].agg(["min", "count"])
            called = node_names(run.tables["nodes"])
            names = [
                f"{called.get(str(node), node)} (from slot {int(row['min'])}, {int(row['count'])} slots)"
                for node, row in first.iterrows()
            ]
            found.append(Notice("bad", "Lost nodes", f"{_where(run)}: {few(names, 12)}"))
        gaps = totals(run).unmetered_slots
        if gaps:
            share = units.percent(gaps / len(slots))
            found.append(
                Notice(
                    "bad",
                    "Missing readings",
                    f"{_where(run)}: {gaps} node-slots ({share}) have no reading. They are not counted "
                    f"as zero, they are not "
                    "counted at all: this run's totals are lower bounds, and a reduction that rests on "
                    "them flatters.",
                )
            )
    return found


def _estimates(study: Study) -> list[Notice]:
    """Readings that the coordinator completed itself, where the run's tables record them."""
    hit = []
    for run in study:
        slots = run.tables["slots"]
        if "estimated" in slots:
            count = int(slots["estimated"].fillna(False).astype(bool).sum())
            hit += [f"{_where(run)}: {count} node-slots"] * (count > 0)
    text = (
        "; ".join(hit) + ". The joules were metered, their split into grid and harvest is the cautious one."
    )
    return [Notice("warn", "Estimated settlements", text)] if hit else []


def _failed_requests(study: Study) -> list[Notice]:
    """Requests that a language model's server did not answer, and why the first one failed."""
    found = []
    for run in study:
        table = run.tables.get("requests")
        if table is None:
            continue
        table = table[own_requests(table)]
        failed = table[table["failed"].notna()]
        if len(failed):
            one = failed.iloc[0]
            found.append(
                Notice(
                    "warn",
                    "Failed requests",
                    f"{_where(run)}: {len(failed)} of {len(table)} requests were not answered, and "
                    f"{units.joules(float(failed['wasted_j'].sum()))} of theirs are waste. The first: "
                    f"{node_names(run.tables['nodes'])[str(one['node_id'])]} in slot {one['slot']}: "
                    f"{one['failed']}",
                )
            )
    return found


def _unanswered(study: Study) -> list[Notice]:
    """Turns of conversations that were lost with a node, and that no later slot answered."""
    found = []
    for run in study:
        turns = run.metadata.get("unanswered_turns") or []
        called = node_names(run.tables["nodes"])
        names = [
            f"turn {each['turn']} of conversation {each['conversation']} (slot {each['slot']}, user at "
            f"{called.get(each['user_at'], each['user_at'])}, lost with "
            f"{called.get(each['lost_node'], each['lost_node'])})"
            for each in turns
        ]
        if turns:
            text = (
                f"{_where(run)}: {len(turns)} of {run.metadata['turns']} turns of conversations were lost with a node, "
                f"and no later slot answered them: {few(names, between='; ')}. They are unserved. What they took is "
                "waste where its reading came later, and in no total where none came."
            )
            found.append(Notice("bad", "Unanswered turns", text))
    return found


def _stale(study: Study) -> list[Notice]:
    """Live intensities that were old when their slot began."""
    found = []
    for run in study:
        slots = run.tables["slots"]
        if "intensity_stale" not in slots:
            continue
        known = slots.dropna(subset=["intensity_stale"])
        for zone, rows in known[known["intensity_stale"].astype(bool)].groupby("zone"):
            old = rows.drop_duplicates("slot")
            kept = int(old["intensity_kept"].astype(bool).sum())
            beyond = f"; in {kept} of them beyond the limit, and kept" if kept else ""
            hours = units.number(old["intensity_age_s"].max() / 3600, 2)
            text = (
                f"{_where(run)}: {zone} in {len(old)} slots, up to {hours} h old{beyond}. Decisions and grams of these "
                "slots rest on the last value known."
            )
            found.append(Notice("bad" if kept else "warn", "Stale intensity", text))
    return found


def _not_switched(study: Study) -> list[Notice]:
    """Boards that were to sleep or wake, and could not be switched."""
    found = []
    for run in study:
        slots = run.tables["slots"]
        failed = slots[slots["sleep_failed"].notna()] if "sleep_failed" in slots else slots.head(0)
        for node, rows in failed.groupby("node_id"):
            first = rows.iloc[0]
            who, why = named(str(node), first["zone"]), first["sleep_failed"]
            text = (
                f"{_where(run)}: {who} in {len(rows)} slots, first in slot {first['slot']}: {why}. "
                "It is booked as awake there."
            )
            found.append(Notice("warn", "Sleep that failed", text))
    return found


def _overruns(study: Study) -> list[Notice]:
    """Slots on the wall clock whose work took longer, and what became of them."""
    found = []
    for run in study:
        decisions = run.tables["decisions"]
        if "overrun_s" not in decisions:
            continue
        late = decisions["overrun_s"].fillna(0) > NOT_LATE * run.slot_s
        missed, undone = decisions["missed"].fillna(False).astype(bool), decisions["undone_batches"].fillna(0)
        if (late | missed).any() or undone.sum():
            text = (
                f"{_where(run)}: the work of {int((late & ~missed).sum())} of {len(decisions)} slots took longer than "
                f"its slot, by {units.number(float(decisions['overrun_s'][late].max() or 0), 3)} s at most; "
                f"{int(missed.sum())} slots were missed; {int(undone.sum())} decided batches were left undone."
            )
            found.append(Notice("warn", "Slots that overran", text))
    return found


def restarts(run: Run) -> int | None:
    """Times the coordinator's process was started again; None where the run did not record it."""
    value = run.metadata.get("coordinator_restarts")
    return len(value) if isinstance(value, list) else value if value is None else int(value)


def _failures(study: Study) -> list[Notice]:
    """Nodes without which a round or a serving slot continued."""
    hit = []
    for run in study:
        reasons: dict[tuple[str, str], int] = {}
        for failure in run.metadata.get("failures") or []:
            key = (str(failure.get("node_id")), str(failure.get("reason")))
            reasons[key] = reasons.get(key, 0) + 1
        called = node_names(run.tables["nodes"])
        hit += [
            f"{_where(run)}: {called.get(node, node)}, {count} slots: {reason}"
            for (node, reason), count in reasons.items()
        ]
    return [Notice("warn", "Rounds continued without a node", few(hit, between="; "))] if hit else []


def _resumptions(study: Study) -> list[Notice]:
    """Runs that were broken off and went on. A slot in which that happened lacks the work that nobody could report."""
    found = []
    for run in study:
        for each in run.metadata.get("resumptions") or []:
            lost = each.get("lost_slot")
            text = f"{_where(run)}: broken off and resumed at slot {each['slot']} ({each['at']})"
            if lost is None:
                found.append(Notice("info", "Resumed run", f"{text}, between two slots; nothing is lost."))
                continue
            but = (
                ", but for turns of conversations that no later slot answered"
                if "turns" in run.metadata
                else ""
            )
            found.append(
                Notice(
                    "warn",
                    "Resumed run",
                    f"{text}. Slot {lost} was open: what its nodes answered is lost, readings that had not reached the "
                    f"books are missing, and its undone work counts against no limit{but}.",
                )
            )
    return found


def _restarts(study: Study) -> list[Notice]:
    hit = [f"{_where(run)}: {restarts(run)}{_not_booked(run)}" for run in study if restarts(run)]
    return (
        [Notice("warn", "Coordinator restarts", "; ".join(hit) + " (the run continued from the ledger)")]
        if hit
        else []
    )


def _not_booked(run: Run) -> str:
    """What the coordinator's absences lack in the books, on the wall clock."""
    if "duration_s" not in run.tables["decisions"]:
        return ""
    missing = away(run)
    if missing is None:
        return ", and power of coordinator and router while it was away is in no total; no board told for how long"
    seconds, joules = units.number(missing.seconds, 3), units.number(missing.energy_j, 3)
    return (
        f", and power of coordinator and router until it was back is in no total: {seconds} s by the boards' windows, "
        f"some {joules} J"
    )


def _work(study: Study) -> list[Notice]:
    found: list[Notice] = []
    hit = [f"{_where(run)}: {totals(run).unserved_batches}" for run in study if totals(run).unserved_batches]
    if hit:
        found.append(
            Notice(
                "bad",
                "Unserved batches",
                "; ".join(hit) + ". Work that is not done emits nothing: compare with care.",
            )
        )
    void = {_where(run): int((run.tables["energy_flows"]["status"] == "void").sum()) for run in study}
    gone = [f"{where}: {count}" for where, count in void.items() if count]
    if gone:
        found.append(
            Notice(
                "warn",
                "Void transfers",
                "; ".join(gone) + ". A party was missing at settlement; no energy moved.",
            )
        )
    return found


def _unselected(study: Study) -> list[Notice]:
    """Policies and strategies that select nodes leave the work of the others out: totals then compare unequal work."""
    done = {
        policy: (
            sum(totals(run).unselected_batches for run in runs.values()),
            sum(totals(run).executed_batches for run in runs.values()),
            sum(totals(run).emissions_g for run in runs.values()),
        )
        for policy, runs in study.runs.items()
    }
    if not any(left for left, _, _ in done.values()):
        return []
    shown = [
        f"{style.policy_label(policy)}: {units.count(left)} of {units.count(left + executed)} batches"
        + (f", {units.grams(grams / executed)} for each that was done" if executed else "")
        for policy, (left, executed, grams) in done.items()
    ]
    return [
        Notice(
            "warn",
            "Work not asked for",
            f"{few(shown, 24, '; ')}. Nodes that are not selected do not work, and work that is not done emits "
            "nothing: a lower total of such a policy is no saving. Compare grams for each batch that was done, or at "
            "the same accuracy.",
        )
    ]


def _decisions(study: Study) -> list[Notice]:
    fallbacks, late, wide, pairwise = [], [], [], []
    for run in study:
        counts = decision_counts(run)
        if counts.fallback:
            fallbacks.append(f"{_where(run)}: {counts.fallback} of {counts.slots}")
        gap = counts.largest_gap_fraction
        if counts.timed_out:
            plans = f"best plan in {counts.timed_out_plan}" + (
                f" (largest gap {units.percent(gap)})" if counts.timed_out_plan and gap is not None else ""
            )
            late.append(
                f"{_where(run)}: {counts.timed_out} of {counts.slots} slots, {plans}, "
                f"LOCAL's rule in {counts.timed_out_local}"
            )
        if hub := int(run.tables["decisions"]["status"].str.contains(WIDE_FORM, regex=False).sum()):
            wide.append(
                f"{_where(run)}: {hub} of {counts.slots} slots"
                + ("" if gap is None else f", largest gap {units.percent(gap)}")
            )
        if "pairwise_reason" in run.tables["decisions"]:
            counted = run.tables["decisions"]["pairwise_reason"].value_counts()
            pairwise += [
                f"{_where(run)}: {slots} of {counts.slots} slots ({why})" for why, slots in counted.items()
            ]
    found = [Notice("warn", "Fallback decisions", "; ".join(fallbacks))] if fallbacks else []
    if pairwise:
        title = "Large fleet: decided in the pairwise form, which takes much longer"
        found.append(Notice("info", title, "; ".join(pairwise)))
    if wide:
        text = "; ".join(wide)
        found.append(Notice("info", "Large fleet: decided in the hub form, to a stated gap", text))
    if late:
        found.append(Notice("warn", "Solver time-outs", "; ".join(late)))
    return found


def _look_ahead(study: Study) -> list[Notice]:
    """Rules that need forecasts and had none, or too few: they then differ from their definition."""
    found = dict.fromkeys(text for run in study if (text := run.metadata.get("short_look_ahead")))
    return [Notice("warn", "Look-ahead cut short", "; ".join(map(str, found)))] if found else []


def _warnings(study: Study) -> list[Notice]:
    found = dict.fromkeys(str(text) for run in study for text in run.metadata.get("warnings") or ())
    return [Notice("warn", "Warning", text) for text in found]


def _baselines(study: Study) -> list[Notice]:
    if not study.is_comparison:
        return [
            Notice(
                "info",
                "One run, no baseline",
                "A reduction needs a baseline run with the same seed: detabed compare runs both and "
                "pairs them.",
            )
        ]
    found = [
        Notice(
            "info",
            f"{baseline.upper()} was not run",
            f"No reduction against it is stated; add it with --policies "
            f"{baseline},{','.join(study.policies)}.",
        )
        for baseline in BASELINES
        if baseline not in there(study)
    ]
    if is_worked_out(study, "grid"):
        found.append(Notice("info", "GRID was not run", f"It is {ORIGIN}."))
    if len(study.seeds) == 1:
        found.append(
            Notice("info", "One seed", "No spread and no confidence interval can be stated; give --seeds 5.")
        )
    return found
