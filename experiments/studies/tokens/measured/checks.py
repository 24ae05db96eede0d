"""Checks of the measured part: the project's own. Limits were set before the study was run; they are the goals of
benchmarks.tokens where that has one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from edge_node.language.step_cost import Fitted
from experiments.report.claims.figure import ClaimFigure, Kind
from experiments.report.stats import Estimate
from experiments.studies.tokens.extent import REFERENCE_TOKENS
from experiments.studies.tokens.measured import summary
from experiments.studies.tokens.measured.summary import Results
from experiments.studies.verdict import check

READ_RATIO = 0.65
BATCH_RATIO = 0.92
SHARE = 0.05
APART_RATIO = 1.05
SAME_FRACTION = 0.01
PREFILL_ERROR, STEP_ERROR = 0.05, 0.15


def judge(
    rounds: Results,
    nats: Mapping[str, Sequence[float]],
    costs: Results,
    handed: pd.DataFrame,
    fitted: tuple[Fitted, Fitted],
) -> dict[str, dict[str, Any]]:
    """The checks by name."""
    read = summary.ratio_to_own(rounds, "Q4_0", "prefill")
    batch = summary.batch_ratio(costs)
    more = [summary.perplexity_ratio(nats, kind) for kind in ("Q8_0", "F16")]
    far = max((abs(math.expm1(one.mean)) for one in more), default=0.0)
    less = summary.perplexity_ratio(nats, "Q4_0")
    (at,) = handed[handed["tokens"] == REFERENCE_TOKENS].to_dict("records")
    apart = float(handed["ratio"].max())
    answers, same = int(handed["answers"].sum()), int(handed["same_answers"].sum())
    return {
        "q4-0-reads-for-less": check(
            f"in Q4_0 a token is read for at most {READ_RATIO:g} of the joules that the file's Q4_1 takes, at "
            f"{REFERENCE_TOKENS} tokens, by the interval over rounds",
            (read.high if read.high is not None else read.mean) <= READ_RATIO,
            f"{said(read)} over {read.n} rounds",
            interval_figure("joules of a token read, Q4_0 over Q4_1", read, "rounds", at_most=READ_RATIO),
        ),
        "more-bits-bring-nothing-back": check(
            f"Q8_0 and F16 made of the file predict the text as it does, within {SAME_FRACTION:.0%} of its perplexity: "
            "what Q4_1 lost stays lost",
            far <= SAME_FRACTION,
            ", ".join(
                f"{kind} {math.expm1(one.mean):+z.2%}"
                for kind, one in zip(("Q8_0", "F16"), more, strict=True)
            ),
            ClaimFigure(
                "largest difference in perplexity of Q8_0 and F16",
                Kind.FRACTION,
                ours=far,
                at_most=SAME_FRACTION,
            ),
        ),
        "q4-0-predicts-worse": check(
            "Q4_0 made of the file predicts the text worse than it does, by the interval over windows",
            less.low is not None and less.low > 0,
            f"perplexity {math.expm1(less.mean):+z.1%} over {less.n} windows",
            ClaimFigure(
                "rise of perplexity, Q4_0 over Q4_1",
                Kind.FRACTION,
                ours=math.expm1(less.mean),
                low=None if less.low is None else math.expm1(less.low),
                high=None if less.high is None else math.expm1(less.high),
                interval=f"95 % interval over {less.n} windows",
                at_least=0.0,
            ),
        ),
        "batches-save": check(
            f"in the largest batch a token is written for at most {BATCH_RATIO:g} of the joules of one alone (Q4_1, "
            f"context {REFERENCE_TOKENS}), by the interval over rounds",
            (batch.high if batch.high is not None else batch.mean) <= BATCH_RATIO,
            f"{said(batch)} over {batch.n} rounds",
            interval_figure(
                "joules of a token, largest batch over alone", batch, "rounds", at_most=BATCH_RATIO
            ),
        ),
        "answers-stay": check(
            "an answer is the same where another server read the prompt, and nothing but the first token is read again",
            same == answers and int(handed["most_read_again"].max()) <= 1,
            f"{same} of {answers} answers the same",
            ClaimFigure(
                "answers that are the same",
                ours=float(same),
                at_least=float(answers),
                unit=f"of {answers}",
            ),
        ),
        "hand-over-is-cheap-here": check(
            f"taking, shipping and putting a cache of {REFERENCE_TOKENS} tokens takes at most {SHARE:.0%} of the "
            "joules of reading it, on the loopback",
            float(at["share"]) <= SHARE,
            f"{float(at['share']):.1%} at {REFERENCE_TOKENS} tokens",
            ClaimFigure(
                "joules of a hand-over over those of reading",
                Kind.FRACTION,
                ours=float(at["share"]),
                low=_known(at["share_low"]),
                high=_known(at["share_high"]),
                interval="" if _known(at["share_low"]) is None else "95 % interval over rounds",
                at_most=SHARE,
            ),
        ),
        "apart-costs-no-more": check(
            f"reading here and writing there takes at most {APART_RATIO:g} of the joules of one server doing both, at "
            "every length, on the loopback",
            apart <= APART_RATIO,
            ", ".join(
                f"{int(row['tokens'])} tokens: {float(row['ratio']):.3f}" for row in handed.to_dict("records")
            ),
            ClaimFigure(
                "joules apart over whole, the length with most", Kind.FACTOR, ours=apart, at_most=APART_RATIO
            ),
        ),
        "costs-are-linear": check(
            f"the cost model is off by at most {PREFILL_ERROR:.0%} for prompts and {STEP_ERROR:.0%} for steps of "
            "writing that it was not fitted to, on the mean",
            fitted[0].mean_error_fraction <= PREFILL_ERROR and fitted[1].mean_error_fraction <= STEP_ERROR,
            f"prompts {fitted[0].mean_error_fraction:.1%} of {fitted[0].held_out}, steps "
            f"{fitted[1].mean_error_fraction:.1%} of {fitted[1].held_out}",
            ClaimFigure(
                "mean error of held-out steps of writing",
                Kind.FRACTION,
                ours=fitted[1].mean_error_fraction,
                at_most=STEP_ERROR,
            ),
        ),
    }


def said(found: Estimate, digits: int = 3) -> str:
    """Mean with the ends of its interval."""
    if found.low is None or found.high is None:
        return f"{found.mean:.{digits}f}"
    return f"{found.mean:.{digits}f} ({found.low:.{digits}f} to {found.high:.{digits}f})"


def interval_figure(
    what: str, found: Estimate, over: str, *, at_most: float | None = None, at_least: float | None = None
) -> ClaimFigure:
    """A ratio with its interval."""
    return ClaimFigure(
        what,
        Kind.FACTOR,
        ours=found.mean,
        low=found.low,
        high=found.high,
        interval="" if found.low is None else f"95 % interval over {found.n} {over}",
        at_most=at_most,
        at_least=at_least,
    )


def _known(value: Any) -> float | None:
    return None if value is None or pd.isna(value) else float(value)
