"""TextGrad: words travel back through the graph, operation by operation; each parameter is rewritten from its own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from autoagent.errors import BudgetExceeded, LLMError, ReplyError
from autoagent.llm.lenient import find_keyed_object
from autoagent.optimize.candidate import Candidate
from autoagent.optimize.layout import BYTES_PER_TOKEN, fence
from autoagent.optimize.prompt import Prompt, Try, worst
from autoagent.optimize.rewriter import Rewriter
from autoagent.optimize.sheet import Line, Sheet, cut
from autoagent.prompts.optimize_replies import CommentReply, comment_schema
from autoagent.prompts.render import render

_MOST_OPERATIONS = 32  # commented by the model; earlier ones pass on what they heard


class TextGrad(Rewriter):
    """Turns the feedback on an output into a comment on each argument of each operation, and rewrites the parameters.

    Source: arXiv:2406.07496, section 3.
    Differs: one question for each operation, not for each edge; the worst run of a minibatch alone is followed; the
    operations nearest to the output are commented, 32 at most, and the others pass on what they heard.
    """

    name = "textgrad"

    def prompt(self, base: Try, *, beside: Sequence[Candidate] = ()) -> Prompt:
        """Return the prompt of the first parameter, with the feedback as it stands for its comments."""
        case = worst(base.outcome)
        names = self.drafter.relevant(case.sheet if case and case.sheet else Sheet())
        return self._rewrite(base, names[0], [case.text] if case else [], beside)

    def propose(self, n: int) -> list[Candidate]:
        """Ask for the comments once, then ``n`` times for new values of every parameter that was commented."""
        base = self.base
        case = None if base is None else worst(base.outcome)
        if base is None or case is None:
            return []
        comments = self.comments(case.sheet, case.text or case.error)
        found: list[Candidate] = []
        for _ in range(n):
            values, stopped = self._values(base, comments, found)
            if values:
                found.append(self.parameters.changed(base.candidate, values, source=self.name))
            if stopped is not None:
                if not found:
                    raise stopped
                self.last_reason = str(stopped)
                break
        return found

    def _values(
        self, base: Try, comments: Mapping[str, list[str]], found: Sequence[Candidate]
    ) -> tuple[dict[str, Any], LLMError | BudgetExceeded | None]:
        """Return the new values, and what cut the questions short: what was answered before it is paid and is used."""
        values: dict[str, Any] = {}
        for name, heard in comments.items():
            try:
                updates = self.updates(base, self._rewrite(base, name, heard, found))
            except (LLMError, BudgetExceeded) as error:
                return values, error
            values |= dict(updates.values) if updates else {}
        return values, None

    def comments(self, sheet: Sheet | None, said: str) -> dict[str, list[str]]:
        """Return what reached each variable; without a graph all of them hear the feedback itself."""
        if sheet is None or not sheet.lines:
            return {name: [said] for name in self.parameters}
        flow = _Flow(sheet, said)
        for place in range(len(sheet.lines) - 1, -1, -1):
            line = sheet.lines[place]
            heard = flow.heard.get(line.name, [])
            if line.kind == "gap" or not heard:
                continue
            arguments = flow.arguments(line)
            told = self._comment(line, arguments, heard, flow, sheet) if flow.num_asked < _MOST_OPERATIONS else None
            flow.pass_on(place, told or {name: "; ".join(heard) for name in arguments})
        return {name: flow.heard[name] for name in self.drafter.relevant(sheet) if flow.heard.get(name)}

    def _comment(
        self, line: Line, arguments: Sequence[str], heard: Sequence[str], flow: _Flow, sheet: Sheet
    ) -> dict[str, str] | None:
        if not arguments:
            return None
        flow.num_asked += 1
        room = self.drafter.token_budget * BYTES_PER_TOKEN // 8
        schema = comment_schema(list(arguments))
        values = {name: cut(flow.value(name), room // max(1, len(arguments))) for name in arguments}
        about = dict(sheet.documentation).get(line.operator, "")
        prompt = render(
            "optimize/textgrad_comment",
            {
                "objective": self.drafter.objective,
                "operation": fence(cut(f"{line.text}\n{line.error}", room)),
                "about": fence(cut(about, room)) if about else "",
                "arguments": fence("\n".join(f"{name} = {value}" for name, value in values.items())),
                "names": list(arguments),
                "heard": fence(cut("\n".join(heard), room)),
                "schema": json.dumps(schema),
            },
        )
        return self.talk.ask(prompt, lambda text: _read_comments(text, arguments), schema)

    def _rewrite(self, base: Try, name: str, heard: Sequence[str], beside: Sequence[Candidate]) -> Prompt:
        return self.drafter.draft(
            "optimize/textgrad_update",
            base,
            names=[name],
            memory=self.memory(base),
            with_graph=False,
            extra={f"comments on {name}": [cut(text, 4000) for text in heard], **self.beside(beside)},
        )


@dataclass
class _Flow:
    """What has been heard by each name so far."""

    sheet: Sheet
    said: str
    heard: dict[str, list[str]] = field(default_factory=dict)
    num_asked: int = 0

    def __post_init__(self) -> None:
        for name, text in self.sheet.feedback:
            self.heard.setdefault(name, []).append(text)
        if not self.sheet.feedback and self.sheet.outputs:
            self.heard[self.sheet.outputs[0]] = [self.said]
        self._values = {name: value for name, value, _ in self.sheet.inputs}
        self._values |= {line.name: line.value for line in self.sheet.lines}
        self._producers = {line.name for line in self.sheet.lines if line.name} | set(self.sheet.variables)
        self._inputs = {name for name, _, _ in self.sheet.inputs}

    def arguments(self, line: Line) -> list[str]:
        """Return the names that the operation read and that can hear of it."""
        given = [what for _, what in line.arguments]
        words = [word for what in given for word in _names(what)] + _names(line.operator)
        names = [word for word in dict.fromkeys(words) if word in self._producers]
        hidden = [word for word in dict.fromkeys(words) if word not in self._producers | self._inputs]
        return names or hidden

    def value(self, name: str) -> str:
        """Return what a name held, as text."""
        return self._values.get(name, "(a variable)" if name in self.sheet.variables else "(left out)")

    def pass_on(self, place: int, told: Mapping[str, str]) -> None:
        """Let names hear comments; what was left out passes them to the operation before it."""
        for name, text in told.items():
            known = name in self._producers
            before = [line.name for line in self.sheet.lines[:place] if line.name]
            for target in [name] if known else before[-1:] or list(self.sheet.variables):
                rows = self.heard.setdefault(target, [])
                if text and text not in rows:
                    rows.append(text)


def _names(text: str) -> list[str]:
    return "".join(letter if letter.isalnum() or letter == "_" else " " for letter in text).split()


def _read_comments(text: str, arguments: Sequence[str]) -> dict[str, str]:
    found = find_keyed_object(text, ("comments",))
    if found is None:
        raise ReplyError('the reply holds no JSON object with "comments"', reply=text)
    try:
        comments = CommentReply.model_validate(found[0]).comments
    except ValidationError as error:
        rows = error.errors(include_url=False)
        raise ReplyError("; ".join(f"{row['loc']}: {row['msg']}" for row in rows), reply=text) from None
    faults = [f"{name!r} is not one of the arguments" for name in comments if name not in arguments]
    faults += [f"no comment on {name!r}" for name in arguments if name not in comments]
    if faults:
        raise ReplyError("; ".join(faults), reply=text)
    return comments
