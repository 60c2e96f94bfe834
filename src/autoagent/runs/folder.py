"""Where everything of a run lies on disk, and who may write there."""

from __future__ import annotations

import fcntl
import json
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from autoagent.durable import sync_path
from autoagent.errors import RequestError, RunFolderError
from autoagent.runs.disk import explained
from autoagent.runs.versions import upgrade

_LONGEST_REQUEST = 20_000  # characters: some pages; reading it takes a second at most


@dataclass(frozen=True)
class RunFolder:
    """The paths of one run.

    Attributes:
        root: the folder of the run.
    """

    root: Path

    @property
    def journal(self) -> Path:
        """The events, ``journal.jsonl``."""
        return self.root / "journal.jsonl"

    @property
    def request(self) -> Path:
        """The sentence as it was typed."""
        return self.root / "request.txt"

    @property
    def settings(self) -> Path:
        """The options of the run, so that ``resume`` needs only the folder."""
        return self.root / "settings.json"

    @property
    def spec(self) -> Path:
        """What was understood."""
        return self.root / "spec.json"

    @property
    def card(self) -> Path:
        """What was found in the data."""
        return self.root / "card.json"

    @property
    def plan(self) -> Path:
        """What was decided before the search."""
        return self.root / "plan.json"

    @property
    def environment(self) -> Path:
        """Versions, seed, machine."""
        return self.root / "environment.json"

    @property
    def graph(self) -> Path:
        """The traced workflow."""
        return self.root / "graph.json"

    @property
    def clock(self) -> Path:
        """The seconds used, written twice a second, so that a kill hides none of them."""
        return self.root / "clock"

    @property
    def trials_log(self) -> Path:
        """Optuna's JournalStorage; ``optuna-dashboard`` opens it."""
        return self.root / "trials.log"

    @property
    def llm(self) -> Path:
        """Every exchange with a language model."""
        return self.root / "llm"

    @property
    def data(self) -> Path:
        """What workers may read: training rows and folds."""
        return self.root / "data"

    @property
    def sealed(self) -> Path:
        """The test rows; only the finalizing process opens them."""
        return self.root / "sealed"

    @property
    def model(self) -> Path:
        """The deliverable."""
        return self.root / "model"

    @property
    def test(self) -> Path:
        """The sealed test's outcome."""
        return self.root / "test.json"

    @property
    def report(self) -> Path:
        """The report; derived, may be deleted."""
        return self.root / "report.html"

    @property
    def scratch(self) -> Path:
        """What the workers of a search share and nobody needs once the run has ended."""
        return self.root / "scratch"

    def trial(self, number: int) -> Path:
        """Return the folder of one trial."""
        return self.root / "trials" / f"{number:04d}"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the run for this process; the kernel lets go of it even after ``kill -9``.

        Raises:
            RunFolderError: another process is working on the run, or the folder cannot be written.
        """
        with explained(self.root):
            file = (self.root / ".lock").open("ab")
        with file:
            try:
                fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise RunFolderError(
                    f"{self.root} is in use by another autoagent process; wait for it or stop it"
                ) from error
            yield


def check_request(text: str) -> None:
    """Refuse a request that is too long, or no Unicode text, such as bytes of another encoding from a shell.

    Raises:
        RequestError: it says how long it may be, or which character it is.
    """
    if len(text) > _LONGEST_REQUEST:
        raise RequestError(f"the request has {len(text)} characters; allowed: {_LONGEST_REQUEST}; say it shorter")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        where = f"character {error.start + 1} ({text[error.start]!r})"
        raise RequestError(f"the request is no UTF-8 text at {where}; type it again, or set a UTF-8 locale") from None


def create_run(out: Path, request: str, *, today: date | None = None, token: str | None = None) -> RunFolder:
    """Make a new, empty run folder ``<date>-<slug>-<hex>`` under ``out``.

    Raises:
        RequestError: the request is too long, or no Unicode text.
        RunFolderError: ``out`` cannot be written.
    """
    check_request(request)
    day = (today or date.today()).isoformat()
    root = out / f"{day}-{slug(request)}-{token or secrets.token_hex(3)}"
    try:
        root.mkdir(parents=True, exist_ok=False)
        sync_path(out)
    except OSError as error:
        raise RunFolderError(f"cannot make the run folder {str(root)!r}: {error.strerror}") from error
    return RunFolder(root)


def open_run(path: str | Path) -> RunFolder:
    """Return the run at ``path``.

    Raises:
        RunFolderError: there is no run, or a newer autoagent wrote it.
    """
    folder = RunFolder(Path(path))
    if not folder.journal.is_file():
        raise RunFolderError(f"{str(path)!r} is not a run: it holds no {folder.journal.name}")
    _check_version(folder.journal)
    return folder


def _check_version(journal: Path) -> None:
    """Refuse a newer format at once, before any other file of the run is misread; damage is found later."""
    with journal.open("rb") as file, suppress(ValueError):
        first = json.loads(file.readline())
        if isinstance(first, dict):
            try:
                upgrade(first)
            except RunFolderError as error:
                raise RunFolderError(f"{journal}: {error}") from None


def list_runs(out: str | Path) -> list[RunFolder]:
    """Return the runs under ``out``, oldest name first."""
    root = Path(out)
    found = sorted(root.iterdir()) if root.is_dir() else []
    return [RunFolder(path) for path in found if (path / "journal.jsonl").is_file()]


def slug(text: str, *, max_words: int = 4) -> str:
    """Return a few words of ``text`` that are safe in a file name."""
    words = re.findall(r"[a-z0-9]+", text.lower())
    return "-".join(words[:max_words])[:40].strip("-") or "run"
