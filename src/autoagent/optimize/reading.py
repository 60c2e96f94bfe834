"""From a reply's text to legal new values, or to every fault of it at once; nothing is dropped and nothing guessed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from autoagent.errors import ReplyError
from autoagent.llm.lenient import find_keyed_object
from autoagent.optimize.candidate import Parameters, plain
from autoagent.prompts.optimize_replies import UpdateReply
from autoagent.space import Code

_KEYS = ("updates", "no_change", "reasoning")
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})[ \t]*([^`\n]*?)[ \t\r]*$")
_PYTHON = ("python", "py", "python3")
_MOST_FAULTS = 12


@dataclass(frozen=True)
class Updates:
    """What a reply asks for.

    Attributes:
        values: variable -> legal new value; empty when nothing is to change.
        reasoning: why, in the model's words.
        no_change: the reason to change nothing, or empty.
        was_mended: whether the JSON had one of the slips that have one meaning.
    """

    values: Mapping[str, Any]
    reasoning: str = ""
    no_change: str = ""
    was_mended: bool = False


@dataclass(frozen=True)
class Block:
    """A fenced block of a reply.

    Attributes:
        label: what stands behind the opening fence.
        text: inside.
        is_closed: whether a closing fence was found.
    """

    label: str
    text: str
    is_closed: bool


def read_updates(text: str, parameters: Parameters, shown: Sequence[str], current: Mapping[str, Any]) -> Updates:
    """Return what a reply asks for.

    The reply is one JSON object, ``{"reasoning", "updates", "no_change"}``. Prose and a fence may stand around it. Code
    may be inside it, or in a fenced block of its own that is labelled with the variable's name.

    Args:
        text: the reply.
        parameters: with their domains.
        shown: names of the variables that the model was shown; no other may be set.
        current: the present values.

    Raises:
        ReplyError: all that is wrong with it, in one message.
    """
    domains = {name: parameters.nodes[name].domain for name in shown}
    code = {name: domain for name, domain in domains.items() if isinstance(domain, Code)}
    rest, blocks = split_blocks(text, code) if code else (text, [])
    faults: list[str] = []
    reply, strict = _object(rest, faults, is_needed=not blocks)
    updates = dict(reply.updates) if reply else {}
    for name, source in _labelled(blocks, code, faults):
        if name in updates:
            faults.append(f"{name} is given twice; give each value once")
        updates[name] = source
    hidden = [name for name in updates if name in parameters.nodes and name not in shown]
    faults += [f"{name!r} was not shown and cannot be changed" for name in hidden]
    no_code = {
        name: type(updates[name]).__name__ for name in updates if name in code and not isinstance(updates[name], str)
    }
    faults += [
        f"the code of {name} must be text, not {kind}: leave it out of the JSON and give it after the object, in a "
        f"block opened with ```python {name}"
        for name, kind in no_code.items()
    ]
    values, wrong = parameters.checked({k: value for k, value in updates.items() if k not in (*hidden, *no_code)})
    faults += wrong
    reason = reply.no_change.strip() if reply else ""
    if not faults:
        faults += _contradictions(values, reason, current)
    if faults:
        raise ReplyError("; ".join(faults[:_MOST_FAULTS]), reply=text)
    return Updates(values, reply.reasoning if reply else "", reason, not strict)


def split_blocks(text: str, code: Mapping[str, Code]) -> tuple[str, list[Block]]:
    """Return the text outside of code blocks, and the code blocks.

    A fence is closed by a line of the same sign, at least as long, as in CommonMark. Only a block that is labelled
    as Python or with a variable's name is one of code; any other stays in the text.
    """
    outside: list[str] = []
    blocks: list[Block] = []
    lines, place = text.split("\n"), 0
    while place < len(lines):
        opening = _FENCE.match(lines[place])
        if opening is None:
            outside.append(lines[place])
            place += 1
            continue
        stop = _closing(lines, place + 1, opening[1])
        inside = "\n".join(lines[place + 1 : stop])
        if _is_code(opening[2], inside, code):
            blocks.append(Block(opening[2], f"{inside}\n" if inside else "", stop < len(lines)))
        else:
            outside += lines[place + 1 : stop]
        place = stop + 1
    return "\n".join(outside), blocks


def _closing(lines: Sequence[str], start: int, fence: str) -> int:
    for place in range(start, len(lines)):
        found = _FENCE.match(lines[place])
        if found is not None and not found[2] and found[1][0] == fence[0] and len(found[1]) >= len(fence):
            return place
    return len(lines)


def _is_code(label: str, inside: str, code: Mapping[str, Code]) -> bool:
    words = label.split()
    if set(words) & set(code) or (words and words[0].lower() in _PYTHON):
        return True
    return not words and any(re.search(_defines(domain.function), inside) for domain in code.values())


def _labelled(blocks: Sequence[Block], code: Mapping[str, Code], faults: list[str]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for block in blocks:
        names = [word for word in block.label.split() if word in code]
        if not names:
            names = [name for name, domain in code.items() if re.search(_defines(domain.function), block.text)]
        if len(names) != 1:
            faults.append(f"a code block belongs to no variable; open it with ```python NAME, NAME one of {list(code)}")
        elif not block.is_closed:
            faults.append(f"the code block of {names[0]} is not closed")
        elif names[0] in dict(found):
            faults.append(f"{names[0]} has two code blocks; give each value once")
        else:
            found.append((names[0], block.text))
    return found


def _defines(function: str) -> str:
    return rf"(?m)^(?:async[ \t]+)?def[ \t]+{re.escape(function)}\b"


def _object(text: str, faults: list[str], *, is_needed: bool) -> tuple[UpdateReply | None, bool]:
    try:
        found = find_keyed_object(text, _KEYS)
    except ReplyError as error:
        faults.append(str(error))
        return None, True
    if found is None:
        if is_needed:
            faults.append(_nothing(text))
        return None, True
    value, strict = found
    try:
        return UpdateReply.model_validate(value), strict
    except ValidationError as error:
        rows = error.errors(include_url=False)
        faults += [
            f"{'.'.join(map(str, row['loc']))}: {row['msg']} (got {str(row.get('input'))[:80]!r})" for row in rows
        ]
        return None, strict


def _nothing(text: str) -> str:
    if not text.strip():
        return "the reply is empty"
    if text.lstrip().startswith("["):
        return "the reply is a JSON array; one JSON object was asked for"
    return 'the reply holds no JSON object with "updates"'


def _contradictions(values: Mapping[str, Any], reason: str, current: Mapping[str, Any]) -> list[str]:
    if values and reason:
        return ['"updates" and "no_change" exclude each other']
    if reason:
        return []
    if not values:
        return ['"updates" is empty; change a variable, or give the reason to change none as "no_change"']
    if all(plain(value) == plain(current[name]) for name, value in values.items()):
        return ['"updates" repeats the present values; change one, or give the reason to change none as "no_change"']
    return []
