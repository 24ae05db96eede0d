"""A node's place in a run, as it reaches a board: a letter of JSON."""

from __future__ import annotations

from pydantic import ConfigDict, Field, ValidationError

from carbon_data.refused import fault
from edge_node.config import NodeConfig, Strict


class Assignment(Strict):
    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    session: str = Field(pattern=r"^[0-9a-f]{32}$")
    """New whenever a run starts or is resumed; names the board's outbox file."""
    run_number: int = Field(ge=1)
    """Flower's number of the run."""
    node_number: int = Field(ge=2)
    """Flower's number of the node."""
    config: NodeConfig
    app: bytes | None = None
    """Bundle of a user's Flower app (``config.app.sha256``)."""

    @classmethod
    def from_letter(cls, content: bytes | bytearray) -> Assignment:
        """Raises ValueError."""
        try:
            return cls.model_validate_json(bytes(content))
        except ValidationError as error:
            raise ValueError(f"the assignment cannot be read: {fault(error.errors()[0], 'all')}") from error

    def to_letter(self) -> list[bytes]:
        return [self.model_dump_json().encode()]
