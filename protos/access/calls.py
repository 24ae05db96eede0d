"""Client side: channels with this process's certificate, and the metadata of its calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import grpc
import grpc.aio

from protos.access.config import Access
from protos.access.files import read_identity, read_private
from protos.access.guard import SECRET_HEADER

Options = Sequence[tuple[str, Any]]


class Calls:
    """What a process shows when it calls others.

    Raises ValueError for certificates or a secret that cannot be used.
    """

    def __init__(self, access: Access) -> None:
        self._credentials: grpc.ChannelCredentials | None = None
        self.metadata: tuple[tuple[str, str], ...] = ()
        """Of every call."""
        if access.certificates is not None:
            own = read_identity(access.certificates)
            self._credentials = grpc.ssl_channel_credentials(own.authority, own.key, own.certificate)
        elif access.secret_file is not None:
            self.metadata = ((SECRET_HEADER, read_private(access.secret_file).decode().strip()),)

    @property
    def certified(self) -> bool:
        """Whether channels ask for the certificate of who answers."""
        return self._credentials is not None

    def channel(self, address: str, name: str, options: Options) -> grpc.Channel:
        """Channel to ``address``, where ``name`` must answer: its certificate says so."""
        if self._credentials is None:
            return grpc.insecure_channel(address, options=options)
        return grpc.secure_channel(address, self._credentials, options=_named(options, name))

    def aio_channel(self, address: str, name: str, options: Options) -> grpc.aio.Channel:
        """Likewise, on the running event loop."""
        if self._credentials is None:
            return grpc.aio.insecure_channel(address, options=options)
        return grpc.aio.secure_channel(address, self._credentials, options=_named(options, name))


def _named(options: Options, name: str) -> Options:
    # gRPC compares the certificate with this name instead of the address, which says nothing about a node.
    return (*options, ("grpc.ssl_target_name_override", name))
