"""Names that a model sees: identifiers, unique in a problem, and the same whenever the state is the same."""

from __future__ import annotations

import functools
import keyword
import re


class Names:
    """Hands out unique identifiers."""

    def __init__(self, taken: set[str] | None = None) -> None:
        self._taken, self._counts = set(taken or ()), dict[str, int]()

    def named(self, wish: str) -> str:
        """Return the wish itself while it is free, then ``wish_2`` and so on."""
        name = identifier(wish)
        return self._claim(name) if name not in self._taken else self.numbered(name, first=2)

    def numbered(self, wish: str, *, first: int = 1) -> str:
        """Return ``wish_1``, ``wish_2`` and so on."""
        stem = identifier(wish).rstrip("_") or "node"
        count = max(self._counts.get(stem, 0) + 1, first)
        while f"{stem}_{count}" in self._taken:
            count += 1
        self._counts[stem] = count
        return self._claim(f"{stem}_{count}")

    def _claim(self, name: str) -> str:
        self._taken.add(name)
        return name


@functools.lru_cache(maxsize=4096)
def identifier(wish: str) -> str:
    """Return the nearest identifier of Python that is no keyword, in ASCII."""
    name = re.sub(r"[^0-9A-Za-z_]+", "_", wish).strip("_") or "node"
    name = f"_{name}" if name[0].isdigit() else name
    return f"{name}_" if keyword.iskeyword(name) or name in ("True", "False", "None") else name
