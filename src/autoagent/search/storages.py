"""Where a study lives that several processes or machines share: a journal file, or a database."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages._cached_storage import _CachedStorage
from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._file import BaseJournalFileLock

from autoagent.errors import MissingExtraError, UserError

_HEARTBEAT_S = 10


class KernelLock(BaseJournalFileLock):
    """A lock of the kernel's on a file beside the journal: it ends with its holder, also by ``kill -9``.

    Optuna's own locks are files, so that one left by a kill holds everyone for 30 s.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._held: int | None = None

    def acquire(self) -> bool:
        """Wait for the lock."""
        import fcntl

        self._held = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        fcntl.flock(self._held, fcntl.LOCK_EX)
        return True

    def release(self) -> None:
        """Give the lock back; without holding it, nothing happens."""
        if self._held is not None:
            os.close(self._held)
            self._held = None


class JournalFile(JournalFileBackend):
    """Optuna's journal file, with a lock that dies with its holder and a torn last line cut before the next one."""

    def __init__(self, path: Path | str) -> None:
        lock = None if sys.platform == "win32" else KernelLock(f"{path}.lock")
        super().__init__(str(path), lock_obj=lock)
        self._path = Path(path)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append lines under the lock."""
        if not self._is_whole():
            self._lock.acquire()
            try:
                self._cut()
            finally:
                self._lock.release()
        super().append_logs(logs)

    def _is_whole(self) -> bool:
        with self._path.open("rb") as file:
            if file.seek(0, os.SEEK_END) == 0:
                return True
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"

    def _cut(self) -> None:
        if self._is_whole():  # whoever wrote has ended its line in the meantime
            return
        with self._path.open("r+b") as file:
            file.truncate(file.read().rfind(b"\n") + 1)


def open_storage(where: Path | str, *, options: Mapping[str, object] | None = None) -> BaseStorage:
    """Open the storage of a study.

    Args:
        where: the path of a journal file, or the URL of a database, for example
            ``postgresql+psycopg://user@host/name``.
        options: of SQLAlchemy's engine, for a database.

    Raises:
        MissingExtraError: the database's driver is not installed.
        UserError: SQLAlchemy knows no such database.
    """
    if "://" not in str(where):
        return JournalStorage(JournalFile(where))
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)  # heartbeats are since 2.9; the tests hold them
            return RDBStorage(
                str(where),
                engine_kwargs={"pool_pre_ping": True, **(options or {})},
                heartbeat_interval=_HEARTBEAT_S,
                grace_period=6 * _HEARTBEAT_S,
            )
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"{where} needs {error.name!r}; run: pip install 'autoagent[postgres]'") from error
    except ImportError as error:  # Optuna wraps the missing driver
        raise MissingExtraError(f"{where}: {error}; for PostgreSQL: pip install 'autoagent[postgres]'") from error
    except (ArgumentError, NoSuchModuleError) as error:
        raise UserError(
            f"{where!r} is no database: {error}; for example postgresql+psycopg://user@host/name"
        ) from error


def close_storage(storage: BaseStorage) -> None:
    """Close a database's connections, also behind the cache that a study puts before it; a journal has none."""
    inner = storage._backend if isinstance(storage, _CachedStorage) else storage
    if isinstance(inner, RDBStorage):
        inner.remove_session()
        inner.engine.dispose()
