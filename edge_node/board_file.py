"""A board's own file: who it is, where the runner's machine is, its certificate, meter and folder.

All that depends on a run comes when the run starts.
"""

from __future__ import annotations

import socket
from pathlib import Path

from pydantic import Field, ValidationError, model_validator

from carbon_data.refused import fault
from edge_node.config import NodeConfig, SleepConfig, Strict
from protos.access.config import Access, is_loopback

HOST_AND_PORT = r"^[A-Za-z0-9._:\[\]-]{1,253}:[0-9]{1,5}$"


class BoardFile(Strict):
    node_id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$")
    coordinator: str = Field(pattern=HOST_AND_PORT)
    """host:port at which the runner's machine waits for boards (``fleet.port`` of its scenario)."""
    certificates: Path
    """Folder that ``detabed node join`` wrote."""
    folder: Path
    """Where the board keeps readings that the coordinator has not acknowledged."""
    meter: str | None = None
    """What reads this board's joules; None: as the scenario says."""
    harvest_meter: str | None = None
    """What measures this board's harvest; None: as the scenario says."""
    sleep: SleepConfig | None = None
    """How this board sleeps; None: as the scenario says, which may name no program to be run here."""
    address: str | None = None
    """Where other boards and clients reach this one; None: the address from which it dials."""
    peer_port: int = Field(default=0, ge=0, le=65_535)
    """For batches of other boards; 0: any free one."""
    infer_port: int = Field(default=0, ge=0, le=65_535)
    """For outside clients; likewise."""
    threads: int = Field(default=1, ge=1, le=1024)
    """Of the learning."""
    own_code: Path | None = None
    """Folder of tasks and meters of one's own (``package.module:Name``), which ``detabed cluster push`` fills."""
    apps: bool = False
    """Whether this board executes Flower apps that come from the runner's machine with a run."""
    data: Path | None = None
    """Folder of large data files; None: as DETABED_DATA_DIR says, or the user's cache folder."""

    @model_validator(mode="after")
    def _the_certificates_are_there(self) -> BoardFile:
        if not self.certificates.is_dir():
            raise ValueError(f"certificates {self.certificates}: no such folder; detabed node join writes it")
        return self

    @property
    def access(self) -> Access:
        return Access(certificates=self.certificates)

    def _harvest_meter(self, config: NodeConfig) -> str:
        """Of runs on the wall clock whose policy uses harvest; the others measure none."""
        used = config.overrun is not None and any(config.harvest.power_w)
        return (self.harvest_meter or config.harvest_meter) if used else ""

    def completed(self, config: NodeConfig) -> NodeConfig:
        """A run's configuration of this node with what only the board knows. Raises ValueError for another node's."""
        if config.node_id != self.node_id:
            raise ValueError(f"this board is {self.node_id}, and the configuration is of {config.node_id}")
        if config.sleep is not None and config.sleep.kind.real:
            raise ValueError(
                f"{self.node_id} is told to be put to sleep by {config.sleep.kind}; what is run or switched on a board "
                f"stands in its own file, as sleep"
            )
        if config.app is not None and config.app.sha256 and not self.apps:
            raise ValueError(
                f"{self.node_id} executes no code that comes with a run; to allow Flower apps, set "
                '"apps": true in its board.json (detabed node join --apps), and start its daemon again'
            )
        own = {
            "access": self.access,
            "peer_host": self.address or dialling_address(self.coordinator),
            "peer_port": self.peer_port,
            "infer_port": self.infer_port,
            "meter": self.meter or config.meter,
            "harvest_meter": self._harvest_meter(config),
            "sleep": self.sleep or config.sleep,
        }
        return config.model_copy(update=own)


def dialling_address(coordinator: str) -> str:
    """Address of this machine from which packets to ``coordinator`` (host:port) leave; nothing is sent.

    Raises OSError where there is no way to it."""
    host, _, port = coordinator.rpartition(":")
    bare = host.strip("[]")
    if is_loopback(bare):
        return bare
    family, kind, *_, address = socket.getaddrinfo(bare, int(port), type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind) as probe:
        probe.connect(address)
        return str(probe.getsockname()[0])


def read_board_file(path: Path) -> BoardFile:
    """Raises ValueError with every fault and its place."""
    try:
        return BoardFile.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    except ValidationError as error:
        faults = (f"  {fault(item, 'file')}" for item in error.errors())
        raise ValueError("\n".join([f"{path} is no board's file:", *faults])) from error
