"""The guard around all tests: this machine only, and no key."""

from __future__ import annotations

import os
import socket
import urllib.request

import pytest


@pytest.mark.parametrize("address", [("93.184.216.34", 80), ("192.168.0.1", 80), ("example.org", 443)])
def test_a_connection_to_another_machine_raises(address: tuple[str, int]) -> None:
    with socket.socket() as plain, pytest.raises(OSError, match="a test may not"):
        plain.connect(address)
    with pytest.raises(OSError, match="a test may not"):
        socket.create_connection(address, timeout=1)


def test_a_url_of_another_machine_raises() -> None:
    with pytest.raises(OSError, match="a test may not look up"):
        urllib.request.urlopen("http://example.org/", timeout=1)


def test_this_machine_can_be_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=1).close()


def test_there_is_no_key() -> None:
    assert "OPENAI_API_KEY" not in os.environ
