"""Decision lists as JSON that a language model can write: what is allowed, what is wrong with one, and its repair."""

from __future__ import annotations

import difflib
import json
import random
from collections.abc import Mapping, Sequence
from typing import Any

from autoagent.errors import DomainError
from autoagent.search.trees.tree import Decisions, Tree, is_legal, plain
from autoagent.space import Float, Int, Searchable
from autoagent.space.domains import JSONScalar

MOST_NAMED = 200  # decisions that a schema or a prompt spells out; a larger tree is described by its rule only


def to_json(decisions: Mapping[str, JSONScalar]) -> list[dict[str, JSONScalar]]:
    """Return a decision list as JSON: names beside values, in the order in which they were asked for."""
    return [{"decision": name, "value": value} for name, value in decisions.items()]


def from_json(tree: Tree, raw: object) -> Decisions:
    """Read a decision list: what ``to_json`` wrote, or one object of names and values, in any order.

    Raises:
        DomainError: every fault of the list at once.
    """
    faults, decisions = _read(tree, raw)
    if faults:
        raise DomainError("; ".join(faults))
    return decisions


def faults(tree: Tree, raw: object) -> list[str]:
    """Return what is wrong with a decision list, each fault with what is allowed; nothing where it is whole."""
    return _read(tree, raw)[0]


def repair_message(found: Sequence[str]) -> str:
    """Return what to tell the writer of a list with faults."""
    lines = "\n".join(f"- {fault}" for fault in found)
    return f"The decision list cannot be used:\n{lines}\nSend the whole list again with these decisions mended."


def schema(tree: Tree) -> dict[str, Any]:
    """Return the JSON schema of a decision list; it names every decision of a tree that has few enough."""
    names = tree.names(MOST_NAMED)
    scalar: dict[str, Any] = {"type": ["string", "number", "boolean", "null"]}
    pairs = [_pair({"const": name}, domain.json_schema()) for name, domain in (names or {}).items()]
    items = {"anyOf": pairs} if pairs else _pair({"type": "string"}, scalar)
    return {"type": "array", "items": items}


def describe(tree: Tree) -> str:
    """Return the decisions of a tree in words for a prompt, one a line."""
    legend = (
        "A decision is named by its path: `a*` is the number of copies of a, `a?` whether a is there. `a=x/...` is "
        "asked for only if a is x, `a[2]/...` only if a has more than 2 copies, what lies under a only if `a?` is true."
    )
    names = tree.names(MOST_NAMED)
    if names is None:
        first = tree.walk(plain).domains
        return "\n".join([legend, "The tree is too large to list. Its plainest structure asks for:", *_lines(first)])
    return "\n".join([legend, *_lines(names)])


def repair(tree: Tree, raw: object, rng: random.Random) -> tuple[Decisions, list[str]]:
    """Return the nearest whole decision list and what was changed; a list without faults comes back as it is.

    Numbers are clipped into their range and read from text, labels matched without regard to case; what is still
    illegal or missing is drawn, what no structure asks for is dropped.
    """
    told, changes = _pairs(raw)
    mended: dict[str, object] = {}

    def mend(name: str, domain: Searchable) -> JSONScalar:
        meant = _nearest(domain, told[name]) if name in told else ()
        value: JSONScalar = meant[0] if meant else domain.sample(rng)
        if not meant:
            changes.append(f"{name} was {'illegal' if name in told else 'missing'} and was drawn: {value!r}")
        elif told[name] != value or type(told[name]) is not type(value):
            changes.append(f"{name} was {told[name]!r} and is now {value!r}")
        mended[name] = value
        return value

    decisions = tree.walk(mend).decisions
    changes += [f"{name} was dropped: this structure does not ask for it" for name in told if name not in mended]
    return decisions, changes


def _nearest(domain: Searchable, value: object) -> tuple[JSONScalar, ...]:
    """Return the legal value that was meant, or nothing."""
    return tuple(domain.check(reading) for reading in _readings(domain, value) if is_legal(domain, reading))[:1]


def _readings(domain: Searchable, value: object) -> list[object]:
    readings = [value]
    if isinstance(value, str):
        try:
            readings.append(json.loads(value.lower()))
        except ValueError:
            readings += [o for o in getattr(domain, "options", ()) if str(o).lower() == value.strip().lower()]
    number = next((r for r in readings if isinstance(r, int | float) and not isinstance(r, bool)), None)
    if number is not None and number == number and isinstance(domain, Float | Int):
        clipped = min(max(number, domain.low), domain.high)
        readings += [clipped, round(clipped)]
    return readings


def _read(tree: Tree, raw: object) -> tuple[list[str], Decisions]:
    told, found = _pairs(raw)
    asked: set[str] = set()
    blind: list[str] = []  # paths under a faulty decision: nothing is known of what lies there

    def check(name: str, domain: Searchable) -> JSONScalar:
        asked.add(name)
        if any(_is_under(name, path) for path in blind):
            return plain(name, domain)
        fault = _fault(name, domain, told)
        if fault is None:
            return told[name]  # type: ignore[return-value] # the domain has checked it
        found.append(fault)
        blind.append(name.rstrip("*?"))
        return plain(name, domain)

    decisions = tree.walk(check).decisions
    for name in told:
        if name not in asked and not any(_is_under(name, path) for path in blind):
            near = difflib.get_close_matches(name, asked - set(told), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            found.append(f"{name!r} is not a decision of this structure{hint}")
    return found, decisions


def _fault(name: str, domain: Searchable, told: Mapping[str, object]) -> str | None:
    if name not in told:
        return f"{name!r} is missing; allowed: {json.dumps(domain.json_schema())}"
    try:
        domain.check(told[name])
    except DomainError as error:
        return f"{name}: {error}"
    return None


def _pairs(raw: object) -> tuple[dict[str, object], list[str]]:
    if isinstance(raw, Mapping):
        return {str(name): value for name, value in raw.items()}, []
    if not isinstance(raw, Sequence) or isinstance(raw, str | bytes):
        return {}, [f"a decision list is a JSON array of decisions, not {type(raw).__name__}"]
    told: dict[str, object] = {}
    found = []
    for place, row in enumerate(raw):
        if not isinstance(row, Mapping) or set(row) != {"decision", "value"} or not isinstance(row["decision"], str):
            found.append(f'entry {place} must be {{"decision": name, "value": value}}, not {row!r}')
        elif row["decision"] in told:
            found.append(f"{row['decision']!r} is decided twice")
        else:
            told[row["decision"]] = row["value"]
    return told, found


def _is_under(name: str, path: str) -> bool:
    return name.startswith(path) and name[len(path) :][:1] in ("", "=", "[", "/", "*", "?")


def _pair(name: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    said = {"decision": name, "value": value}
    return {"type": "object", "properties": said, "required": ["decision", "value"], "additionalProperties": False}


def _lines(names: Mapping[str, Searchable]) -> list[str]:
    return [f"- {name}: {json.dumps(domain.json_schema())}" for name, domain in names.items()]
