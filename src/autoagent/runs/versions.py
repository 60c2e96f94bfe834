"""Formats of a journal's lines: older ones are brought to the present one step at a time, newer ones are refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from autoagent.errors import RunFolderError

Row = dict[str, Any]
Migrations = Mapping[int, Callable[[Row], Row]]

VERSION = 1  # raise it with every change that an older reader would misread, and add the step below
MIGRATIONS: Migrations = {}  # from a version to the next; version 1 is the first that there was


def upgrade(row: Row, *, version: int = VERSION, migrations: Migrations = MIGRATIONS) -> Row:
    """Return a line's object in the format ``version``; ``row`` itself is left as it is.

    Raises:
        RunFolderError: it is of a newer version, or of one that no step leads from.
    """
    found = row.get("version")
    if not isinstance(found, int) or isinstance(found, bool) or found < 0:
        raise RunFolderError(f"its version is {found!r}; allowed: a number up to {version}")
    if found > version:
        raise RunFolderError(f"written by a newer autoagent (format {found}, this one reads {version}); upgrade it")
    for step in range(found, version):
        if step not in migrations:
            raise RunFolderError(
                f"written by an autoagent that is too old (format {step}, this one reads {version}); "
                "finish the run with the release that began it"
            )
        row = {**migrations[step](dict(row)), "version": step + 1}
    return row
