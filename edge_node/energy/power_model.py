"""Power of a board: what a batch costs above static power, how long it takes, what a slot costs at rest."""

from __future__ import annotations

from edge_node.config import BoardConfig
from edge_node.workload import Calibrated, WorkCost
from protos.messages.terms import Stage
from protos.messages.work import PointCost, WorkProfile


class PowerModelError(ValueError):
    """Powers that contradict each other."""


class PowerModel:
    """Linear two-state model: static power while awake, ``busy_w`` while computing, ``sleep_w`` asleep.

    e_j = flop / effective_flop_per_s * (busy_w - static_w),  tau_j = flop / effective_flop_per_s
    """

    def __init__(self, board: BoardConfig) -> None:
        """Raises PowerModelError when the board would draw less while working than at rest."""
        if board.busy_w < board.static_w:
            raise PowerModelError(
                f"busy_w is {board.busy_w}; allowed is at least static_w = {board.static_w}"
            )
        if board.sleep_w > board.static_w:
            raise PowerModelError(
                f"sleep_w is {board.sleep_w}; allowed is at most static_w = {board.static_w}"
            )
        self.board = board

    @property
    def dynamic_w(self) -> float:
        """Power above static while computing."""
        return self.board.busy_w - self.board.static_w

    def busy_s(self, flop: float) -> float:
        """Seconds that counted work takes."""
        return flop / self.board.effective_flop_per_s

    def compute_j(self, flop: float) -> float:
        """Energy of counted work above static power."""
        return self.busy_s(flop) * self.dynamic_w

    def computing(self, flop: float, measured: Calibrated | None = None) -> Calibrated:
        """Seconds and joules above static power: as measured, else of counted operations."""
        return Calibrated(self.busy_s(flop), self.compute_j(flop)) if measured is None else measured

    def work_profile(self, stage: Stage, cost: WorkCost) -> WorkProfile:
        """What one batch costs on this board, for the node's registration. The radio takes no time of the board."""
        request_j = cost.up_bytes * self.board.rx_j_per_byte
        answer_j = cost.down_bytes * self.board.tx_j_per_byte
        computing = self.computing(cost.flop_per_batch, cost.measured)
        return WorkProfile(
            stage=stage,
            seconds_per_batch=computing.seconds,
            joules_per_batch=computing.joules + request_j + answer_j,
            bytes_per_batch=cost.bytes_per_batch,
            model_j=self.model_j(stage, cost.model_bytes),
            request_j=request_j,
            calibrated=cost.measured is not None,
            compute_j=computing.joules if self.board.points else 0.0,
        )

    def points(self) -> tuple[PointCost, ...]:
        """What each operating point of the board does to seconds and joules; empty where it has none."""
        full_w = self.dynamic_w
        return tuple(
            PointCost(
                frequency_khz=point.frequency_khz,
                speed_fraction=point.speed_fraction,
                energy_times=PowerModel(self.board.at(k)).dynamic_w / full_w / point.speed_fraction
                if full_w
                else 1.0,
                static_w=self.board.at(k).static_w,
            )
            for k, point in enumerate(self.board.points)
        )

    def model_j(self, stage: Stage, model_bytes: int) -> float:
        """Radio energy of a slot in which a node runs work of ``stage``: its model comes, and goes back trained."""
        if stage not in (Stage.DEVELOPMENT, Stage.RECYCLING, Stage.APPLICATION):
            return 0.0
        sent = 0 if stage is Stage.APPLICATION else model_bytes
        return model_bytes * self.board.rx_j_per_byte + sent * self.board.tx_j_per_byte
