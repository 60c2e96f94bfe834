"""Fits sections of a prompt into a number of tokens and fences what came from data; says what it left out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autoagent.optimize.sheet import cut

BYTES_PER_TOKEN = 3  # English, code and JSON have more bytes in a token; scripts with fewer are counted by their bytes
_SMALLEST = 200  # bytes; an entry is cut to no less than this


@dataclass(frozen=True)
class Section:
    """A part of a prompt.

    Attributes:
        name: what the entries are, in words.
        entries: texts, each shown whole, cut, or not at all.
        weight: of its share where not everything fits.
        head_only: keep the first entries; otherwise the first and the last ones.
    """

    name: str
    entries: Sequence[str]
    weight: float
    head_only: bool = False


def estimate_tokens(text: str) -> int:
    """Return a number of tokens that the text rarely exceeds: a third of its bytes."""
    return -(-len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN)


def fit(sections: Sequence[Section], most_bytes: int) -> tuple[dict[str, list[str]], list[str]]:
    """Return the entries of each section that fit, and in words what was left out.

    Sections that need less than their share leave the rest to the others.
    """
    sizes = {section.name: [_size(entry) for entry in section.entries] for section in sections}
    shares = _shares({s.name: sum(sizes[s.name]) for s in sections}, {s.name: s.weight for s in sections}, most_bytes)
    kept: dict[str, list[str]] = {}
    left_out: list[str] = []
    for section in sections:
        kept[section.name], missing = _trim(section, sizes[section.name], shares[section.name])
        if missing:
            left_out.append(f"{missing} of {len(section.entries)} {section.name}")
    return kept, left_out


def fence(text: str, label: str = "") -> str:
    """Return the text between fences that nothing in it can close."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    mark = "`" * max(3, longest + 1)
    return f"{mark}{label}\n{text.rstrip(chr(10))}\n{mark}"


def _size(text: str) -> int:
    return len(text.encode("utf-8", "replace")) + 1


def _shares(needs: Mapping[str, int], weights: Mapping[str, float], most: int) -> dict[str, int]:
    shares = dict.fromkeys(needs, 0)
    open_names, left = list(needs), most
    while open_names:
        total = sum(weights[name] for name in open_names)
        small = [name for name in open_names if needs[name] <= left * weights[name] / total]
        if not small:
            shares |= {name: int(left * weights[name] / total) for name in open_names}
            break
        for name in small:
            shares[name] = needs[name]
        left -= sum(needs[name] for name in small)
        open_names = [name for name in open_names if name not in small]
    return shares


def _trim(section: Section, sizes: Sequence[int], share: int) -> tuple[list[str], int]:
    if sum(sizes) <= share:
        return list(section.entries), 0
    head, tail, used = 0, len(sizes), 0
    while head < tail:
        at_head = section.head_only or head <= len(sizes) - tail
        place = head if at_head else tail - 1
        if used + sizes[place] > share:
            break
        used += sizes[place]
        head, tail = (head + 1, tail) if at_head else (head, tail - 1)
    kept = list(section.entries[:head])
    missing = tail - head
    if missing and share - used >= _SMALLEST:
        kept.append(_cut_to(section.entries[head], share - used))
        missing -= 1
    mark = [f"… {missing} {section.name} left out …"] if missing and not section.head_only else []
    return [*kept, *mark, *section.entries[tail:]], missing


def _cut_to(entry: str, most_bytes: int) -> str:
    shorter = cut(entry, max(40, (most_bytes - 60) // 4)) if not entry.isascii() else cut(entry, most_bytes - 60)
    return shorter if _size(shorter) <= most_bytes else shorter[: most_bytes // 4]
