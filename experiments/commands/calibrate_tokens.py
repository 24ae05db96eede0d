"""``detabed calibrate --task llm``: what a language model's tokens cost on this board, as a cost model."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import tomli_w

from carbon_data.files.whole import whole_file
from carbon_data.types import DataError
from edge_node.calibration.language import Grid, TokenCost, measure_tokens
from edge_node.calibration.reading import CalibrationError
from edge_node.energy.boards import BoardProfile
from edge_node.language.model_file import ModelFile, model_file
from edge_node.language.server import LanguageServer, ServerError
from edge_node.meters.base import MeterError
from experiments.commands.output import err, out, print_json
from experiments.errors import UsageError
from experiments.fitting_table import FittingTable
from experiments.probe.meters import CPU_TIME, ProbeMeter, probe_meter
from experiments.progress import progress_bar

IDLE_S = 5.0
"""Window at rest."""
QUICK = Grid(lengths=(32, 64, 96, 128, 192, 256), contexts=(32, 96, 192), batches=(1, 4), steps=12)
"""For a look: less than a minute."""


@dataclass(frozen=True)
class Calibrated:
    """What was found."""

    model: ModelFile
    meter: str
    provenance: str
    board: str
    cost: TokenCost
    watts: float
    """Above rest while it works: of ``cpu-time`` a core's share of the board, of a sensor the mean of the windows."""

    def as_dict(self) -> dict[str, Any]:
        """What is written, and what --json prints."""
        return {
            "model": self.model.name,
            "sha256": self.model.sha256,
            "meter": self.meter,
            "provenance": self.provenance,
            "board": self.board,
            "watts": self.watts,
            "date": datetime.now(UTC).date().isoformat(),
            "prefill": _figures(self.cost.prefill, "j", "j_per_token", "j_per_token2"),
            "step": _figures(self.cost.step, "j", "j_per_request", "j_per_request_and_token"),
            "measured": {
                "prefill": [asdict(one) for one in self.cost.prefills],
                "step": [asdict(one) for one in self.cost.steps],
            },
        }


def _figures(fitted: Any, *names: str) -> dict[str, Any]:
    return {
        **dict(zip(names, fitted.coefficients, strict=True)),
        "held_out": fitted.held_out,
        "mean_error_fraction": fitted.mean_error_fraction,
        "worst_error_fraction": fitted.worst_error_fraction,
    }


def calibrated_tokens(
    spec: str, base: BoardProfile, model: Path | None, grid: Grid, tell: Callable[[str], None]
) -> Calibrated:
    """Measure with ``spec``: ``cpu-time``, or a sensor of this board. Raises UsageError."""
    try:
        found = model_file(model)
        with LanguageServer(found, slots=max(grid.batches), context_tokens=grid.context_tokens) as server:
            board = base.config()
            meter = probe_meter(f"{CPU_TIME}:{server.pid}" if spec == CPU_TIME else spec, board)
            try:
                above = AboveRest(meter)
                cost = measure_tokens(server, above, grid, tell)
                # CPU seconds do not grow where the machine is busy with other things; the clock's do.
                watts = getattr(meter, "watts_per_core", None) or above.watts
                return Calibrated(found, spec, str(meter.provenance), base.name, cost, watts)
            finally:
                meter.stop()
    except (CalibrationError, MeterError, ServerError, DataError) as error:
        raise UsageError(f"not calibrated: {error}") from error


class AboveRest:
    """Windows in joules above what the machine draws at rest, which is read first where the meter reads that too."""

    def __init__(self, meter: ProbeMeter) -> None:
        self._meter, self._rest_w = meter, 0.0
        self._energy_j = self._seconds = 0.0
        if meter.counts_idle:
            close = meter.open()
            time.sleep(IDLE_S)
            idle = close()
            self._rest_w = idle.energy_j / idle.duration_s

    @property
    def watts(self) -> float:
        """Above rest, mean of all windows so far. Raises CalibrationError where there is none above zero."""
        if not (self._energy_j > 0 and self._seconds > 0):
            raise CalibrationError(
                f"{self._energy_j:g} J in {self._seconds:g} s of windows: nothing above rest"
            )
        return self._energy_j / self._seconds

    def __call__(self) -> Callable[[], float]:
        """Opens a window."""
        close = self._meter.open()

        def closed() -> float:
            found = close()
            energy_j = found.energy_j - self._rest_w * found.duration_s
            self._energy_j, self._seconds = self._energy_j + energy_j, self._seconds + found.duration_s
            return energy_j

        return closed


def run_calibrate_tokens(
    spec: str, output: Path, base: BoardProfile, model: Path | None, quick: bool, as_json: bool
) -> None:
    """The command: measure, write the cost model, say what was found."""
    grid = QUICK if quick else Grid()
    with progress_bar(err, quiet=as_json) as bar:
        shown = bar.add_task("calibrating", total=grid.size)

        def tell(step: str) -> None:
            bar.update(shown, advance=1, detail=step)

        found = calibrated_tokens(spec, base, model, grid, tell)
    told = found.as_dict()
    with whole_file(output) as draft:
        draft.write_text(tomli_w.dumps(told), encoding="utf-8")
    if as_json:
        print_json({"cost_model": str(output), **told})
        return
    table = FittingTable(
        "what", "joules", "held out", "mean error", "worst", title=f"{found.model.name}, {spec}"
    )
    for name, fitted, form in (
        ("reading n tokens", found.cost.prefill, "{:.3g} {:+.3g} n {:+.3g} n²/2"),
        ("a step for B requests of context ctx", found.cost.step, "{:.3g} {:+.3g} B {:+.3g} B ctx"),
    ):
        table.add_row(
            name,
            form.format(*fitted.coefficients),
            str(fitted.held_out),
            f"{100 * fitted.mean_error_fraction:.1f} %",
            f"{100 * fitted.worst_error_fraction:.1f} %",
        )
    out.print(table)
    out.print(f"cost model: {output}", markup=False, highlight=False, soft_wrap=True)
