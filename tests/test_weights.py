"""Where published weights are looked for, and what is taken from a hub."""

from __future__ import annotations

import hashlib
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from autoagent.errors import DataError
from autoagent.weights import KNOWN, MINILM, Weights, cache_folder, fetch, find

FILES = {"config.json": b"{}", "model.safetensors": b"weights" * 1000}
SUMS = {name: hashlib.sha256(raw).hexdigest() for name, raw in FILES.items()}
TOY = Weights("toy", "owner/toy", "MIT", ("toy-of-no-registry", "toy_of_no_registry", "model"), SUMS)


def environment(tmp_path: Path) -> dict[str, str]:
    return {"XDG_CACHE_HOME": str(tmp_path / "cache"), "HF_HOME": str(tmp_path / "hub")}


def write(folder: Path, **changes: bytes) -> Path:
    folder.mkdir(parents=True)
    for name, raw in (FILES | {key.replace("_", "."): value for key, value in changes.items()}).items():
        (folder / name).write_bytes(raw)
    return folder


@contextmanager
def hub(files: dict[str, bytes], *, asked: list[str] | None = None) -> Iterator[str]:
    """Serve files as a hub does, on the loopback address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if asked is not None:
                asked.append(self.path)
            raw = files.get(self.path.removeprefix("/owner/toy/resolve/main/"))
            self.send_response(404 if raw is None else 200)
            self.end_headers()
            self.wfile.write(raw or b"")

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_pinned_weights_name_their_licence_and_files() -> None:
    assert KNOWN == {"all-MiniLM-L6-v2": MINILM}
    assert MINILM.licence == "Apache-2.0"
    assert set(MINILM.files) == {"config.json", "vocab.txt", "model.safetensors"}
    assert all(len(digest) == 64 for digest in MINILM.files.values())


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    assert find(TOY, environment=environment(tmp_path)) is None
    (write(tmp_path / "cache/autoagent/weights/toy") / "config.json").unlink()
    assert find(TOY, environment=environment(tmp_path)) is None


def test_our_cache_goes_before_the_hubs_and_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "site" / "toy_of_no_registry" / "model")
    (tmp_path / "site" / "toy_of_no_registry" / "__init__.py").write_text("raise SystemExit('code of a package ran')")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    told = environment(tmp_path)
    found = find(TOY, environment=told)
    assert found is not None
    assert found.told() == "toy (MIT) from the package toy-of-no-registry of no known version"
    assert "toy_of_no_registry" not in sys.modules
    snapshot = write(tmp_path / "hub/hub/models--owner--toy/snapshots/abc")
    found = find(TOY, environment=told)
    assert found is not None
    assert (found.folder, found.source) == (snapshot, "the hub's cache on this machine")
    ours = write(cache_folder(told) / "toy")
    found = find(TOY, environment=told)
    assert found is not None
    assert (found.folder, found.source) == (ours, "the cache on this machine")
    assert cache_folder({"AUTOAGENT_WEIGHTS": "/w"}) == Path("/w")


def test_other_bytes_under_the_same_names_are_used_and_told(tmp_path: Path) -> None:
    other = b"fine-tuned"
    write(tmp_path / "cache/autoagent/weights/toy", model_safetensors=other)
    found = find(TOY, environment=environment(tmp_path))
    assert found is not None
    assert found.told() == "toy (MIT) from the cache on this machine, which are not the files that were published"
    assert found.sha256("model.safetensors") == hashlib.sha256(other).hexdigest()


def test_what_the_hub_sends_is_checked_and_kept(tmp_path: Path) -> None:
    told, asked = environment(tmp_path), list[str]()
    with hub(FILES, asked=asked) as address:
        found = fetch(TOY, hub=address, environment=told)
    assert found.told() == "toy (MIT) from the hub, owner/toy"
    assert asked == ["/owner/toy/resolve/main/config.json", "/owner/toy/resolve/main/model.safetensors"]
    again = find(TOY, environment=told)
    assert again is not None
    assert again.same
    assert again.folder == found.folder == cache_folder(told) / "toy"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({**FILES, "model.safetensors": b"other"}, "not used"),
        ({"config.json": b"{}"}, "'toy' could not be loaded from .*Not Found"),
    ],
)
def test_other_bytes_or_missing_files_leave_nothing_behind(
    files: dict[str, bytes], message: str, tmp_path: Path
) -> None:
    told = environment(tmp_path)
    with hub(files) as address, pytest.raises(DataError, match=message):
        fetch(TOY, hub=address, environment=told)
    assert list(cache_folder(told).iterdir()) == []


def test_a_hub_that_is_away_or_slow_is_told_in_one_line(tmp_path: Path) -> None:
    told = environment(tmp_path)
    with hub(FILES) as address:
        pass
    with pytest.raises(DataError, match=r"'toy' could not be loaded from http://127.0.0.1:.*refused"):
        fetch(TOY, hub=address, environment=told)
    ticks = iter([0.0, 0.0, 100.0, 100.0, 100.0])
    with hub(FILES) as address, pytest.raises(DataError, match="took too long"):
        fetch(TOY, hub=address, environment=told, seconds=10.0, clock=lambda: next(ticks))
    assert list(cache_folder(told).iterdir()) == []
