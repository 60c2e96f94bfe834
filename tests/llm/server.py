"""A server on this machine that speaks OpenAI's chat completions, and misbehaves as it is told."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

GOOD = '{"answer": 4, "why": "two and two"}'


def completion(text: str | None = GOOD, **changes: Any) -> dict[str, Any]:
    """Return the body of a chat completion."""
    usage = {"prompt_tokens": 11, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 3}}
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return {"id": "c", "object": "chat.completion", "model": "tiny-1", "choices": [choice], "usage": usage, **changes}


@dataclass(frozen=True)
class Say:
    """One answer.

    Attributes:
        body: a JSON value, or text or bytes as they are.
        status: of HTTP.
        headers: besides the usual.
        delay_s: before the answer.
        cut: send only so many bytes, then close.
        drip_s: a byte at a time, with this pause between.
        only_if: answer so only to bodies for which this holds; to others a good completion.
    """

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    cut: int | None = None
    drip_s: float = 0.0
    hang_up: bool = False
    only_if: Callable[[dict[str, Any]], bool] | None = None

    def bytes(self) -> bytes:
        body = completion() if self.body is None else self.body
        if isinstance(body, bytes):
            return body
        return body.encode() if isinstance(body, str) else json.dumps(body).encode()


def error(status: int, message: str = "no", headers: dict[str, str] | None = None, **more: Any) -> Say:
    """Return an error as OpenAI words it."""
    return Say({"error": {"message": message, "type": "invalid_request_error", **more}}, status, headers or {})


class Server(ThreadingHTTPServer):
    """Answers with a script; the last answer stands for all later ones."""

    daemon_threads = True

    def __init__(self, script: Sequence[Say]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script = list(script)
        self.bodies: list[dict[str, Any]] = []
        self.headers_seen: list[dict[str, str]] = []
        self.models: list[str] = ["tiny-1"]
        self.stop = threading.Event()
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def next(self, body: dict[str, Any], headers: dict[str, str]) -> Say:
        with self._lock:
            self.bodies.append(body)
            self.headers_seen.append(headers)
            say = self.script[0] if len(self.script) == 1 else self.script.pop(0)
        return say if say.only_if is None or say.only_if(body) else Say()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone away is no fault of the server."""


@contextmanager
def serve(*script: Say) -> Iterator[Server]:
    """Run a server until the block ends."""
    server = Server(script or [Say()])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stop.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        names = [{"id": name, "object": "model"} for name in self.server.models]
        self._send(Say({"object": "list", "data": names}) if self.path.endswith("/models") else error(404))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._send(self.server.next(body, {key.lower(): value for key, value in self.headers.items()}))

    def _send(self, say: Say) -> None:
        self.server.stop.wait(say.delay_s)
        if say.hang_up:
            self.connection.close()
            return
        data = say.bytes()
        self.send_response(say.status)
        for key, value in {"Content-Type": "application/json", "Content-Length": str(len(data)), **say.headers}.items():
            self.send_header(key, value)
        self.end_headers()
        if say.drip_s:
            self._drip(data, say.drip_s)
        else:
            self.wfile.write(data[: say.cut])
        self.close_connection = True

    def _drip(self, data: bytes, pause_s: float) -> None:
        for i in range(len(data)):
            if self.server.stop.is_set():
                return
            self.wfile.write(data[i : i + 1])
            self.wfile.flush()
            time.sleep(pause_s)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""
