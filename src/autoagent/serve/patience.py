"""An HTTP connection that is closed when a client takes too long to say what it wants."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_S = 10.0


class PatientProtocol(H11Protocol):
    """Closes a connection on which no first request has arrived whole, headers included, within ``HEADER_S``.

    Uvicorn itself waits for ever for the first headers, so that a few idle clients could use up all connections.
    """

    header_s = HEADER_S

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - uvicorn's own two kinds of transport
        """Begin to wait."""
        super().connection_made(transport)
        asyncio.get_running_loop().call_later(self.header_s, self._give_up)

    def _give_up(self) -> None:
        if self.cycle is None and not self.transport.is_closing():
            self.transport.close()
