"""What the optimizers' templates show: variables, the traced run, other runs, earlier tries, all inside a budget."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from autoagent.errors import UserError
from autoagent.optimize.candidate import Candidate, Case, Outcome, Parameters, plain, rank
from autoagent.optimize.layout import BYTES_PER_TOKEN, Section, estimate_tokens, fence, fit
from autoagent.optimize.sheet import Sheet, cut
from autoagent.prompts.optimize_replies import update_schema
from autoagent.prompts.render import render
from autoagent.space import Code, Domain

_LONG_TEXT = 20_000  # characters of a variable
_KNOWN = ("variables", "operations", "inputs", "descriptions", "feedback", "other runs", "earlier tries")
_SPARE = 400  # bytes for fences and the notes on what was left out


@dataclass(frozen=True)
class Prompt:
    """A rendered prompt.

    Attributes:
        text: what is sent.
        shown: names of the variables in it; no other can be changed by the reply.
        schema: JSON schema of the reply; None where code is asked for, which goes outside of the JSON.
    """

    text: str
    shown: tuple[str, ...]
    schema: dict[str, Any] | None


@dataclass(frozen=True)
class Try:
    """A candidate and what came of it."""

    candidate: Candidate
    outcome: Outcome


class Drafter:
    """Writes prompts about one set of parameters.

    Attributes:
        parameters: that may be changed.
        objective: what the user wants, in words; an instruction, not data.
        token_budget: the most tokens of a prompt, estimated at three bytes each.
    """

    def __init__(self, parameters: Parameters, *, objective: str, token_budget: int) -> None:
        self.parameters, self.objective, self.token_budget = parameters, objective, token_budget

    def draft(
        self,
        template: str,
        base: Try,
        *,
        names: Iterable[str] | None = None,
        memory: Sequence[Try] = (),
        with_graph: bool = True,
        extra: Mapping[str, Sequence[str]] | None = None,
    ) -> Prompt:
        """Return the prompt that asks for a better candidate than ``base``.

        Args:
            template: ``"optimize/name"``.
            base: the present values and what came of them.
            names: the variables to show; those of the traced run when None.
            memory: earlier tries, oldest first.
            with_graph: show the traced operations.
            extra: further sections: name -> entries.

        Raises:
            UserError: not even the fixed part fits into the budget.
        """
        case = worst(base.outcome)
        sheet = case.sheet if with_graph and case is not None and case.sheet is not None else Sheet()
        wanted = self.relevant(sheet) if names is None else list(names)
        sections = self._sections(base, case, sheet, wanted, memory, extra or {})
        fixed = self._render(template, {section.name: [] for section in sections}, [], [])
        room = self.token_budget * BYTES_PER_TOKEN - len(fixed.text.encode()) - _SPARE
        for _ in range(6):
            if room <= 0:
                break
            kept, left_out = fit(sections, room)
            shown = wanted[: len(kept["variables"])]
            prompt = self._render(template, kept, left_out, shown)
            over = len(prompt.text.encode("utf-8", "replace")) - self.token_budget * BYTES_PER_TOKEN
            if over <= 0:
                return prompt
            room -= over + _SPARE
        needed = estimate_tokens(fixed.text) + 500
        raise UserError(f"token_budget={self.token_budget} holds no prompt; give at least {needed}")

    def _sections(
        self,
        base: Try,
        case: Case | None,
        sheet: Sheet,
        wanted: Sequence[str],
        memory: Sequence[Try],
        extra: Mapping[str, Sequence[str]],
    ) -> list[Section]:
        others = [row for row in base.outcome.cases if row is not case]
        feedback = [f"{name}: {said}" for name, said in sheet.feedback] or ([_case(case)] if case else [])
        return [
            Section("variables", [self.variable(name, base.candidate.values[name]) for name in wanted], 4, True),
            Section("operations", [_line(line) for line in sheet.lines], 3),
            Section("inputs", [_entry(*row) for row in sheet.inputs], 1),
            Section("descriptions", [_entry(name, text) for name, text in sheet.documentation], 1),
            Section("feedback", feedback, 3),
            Section("other runs", [_case(row) for row in _by_need(others)], 1.5, True),
            Section("earlier tries", [self._try(entry, wanted) for entry in memory], 2),
            *(Section(name, list(entries), 2) for name, entries in extra.items()),
        ]

    def relevant(self, sheet: Sheet) -> list[str]:
        """Return the variables that led to the judged outputs; all where nothing was traced."""
        return [name for name in sheet.variables or self.parameters if name in self.parameters.nodes]

    def variable(self, name: str, value: object) -> str:
        """Return a variable's value, domain and purpose."""
        parameter = self.parameters.nodes[name]
        about = f"  # {cut(parameter.description, 400)}" if parameter.description else ""
        head = f"{name}: {domain_words(parameter.domain)}{about}".replace("\n", " ")
        text = plain(value)
        if isinstance(text, str) and (isinstance(parameter.domain, Code) or "\n" in text):
            return f"{head}\n{name} =\n{fence(cut(text, _LONG_TEXT))}"
        return f"{head}\n{name} = {cut(json.dumps(text, ensure_ascii=False), _LONG_TEXT)}"

    def _try(self, entry: Try, wanted: Sequence[str]) -> str:
        values = {name: entry.candidate.values[name] for name in wanted[:50]}
        cases = _by_need(entry.outcome.cases)
        score = entry.outcome.score
        row = {
            "values": {name: _memo(value) for name, value in values.items()},
            "score": None if score is None else float(f"{score:.6g}"),
            "runs": [_facts(case, 500) for case in cases[:3]],
        }
        if len(cases) > 3:
            row["more_runs"] = len(cases) - 3
        return json.dumps(row, ensure_ascii=False)

    def _render(
        self, template: str, kept: Mapping[str, list[str]], left_out: Sequence[str], shown: Sequence[str]
    ) -> Prompt:
        domains = {name: self.parameters.nodes[name].domain for name in shown}
        code = [name for name, domain in domains.items() if isinstance(domain, Code)]
        has_code = any(isinstance(p.domain, Code) for p in self.parameters.nodes.values()) if not shown else bool(code)
        schema = update_schema({name: domain.json_schema() for name, domain in domains.items() if name not in code})
        context = {
            "objective": self.objective,
            "known": _KNOWN,
            "sections": {name: fence("\n".join(entries)) for name, entries in kept.items() if entries},
            "left_out": list(left_out),
            "schema": json.dumps(schema, ensure_ascii=False),
            "code": code,
            "example": example("code_alone" if code and code == list(domains) else "code" if has_code else "numbers"),
        }
        return Prompt(render(template, context), tuple(shown), None if has_code else schema)


def worst(outcome: Outcome) -> Case | None:
    """Return the run that most needs mending, of those whose operations are known if there are any."""
    traced = [case for case in outcome.cases if case.sheet is not None]
    return next(iter(_by_need(traced or outcome.cases)), None)


def domain_words(domain: Domain) -> str:
    """Return what values are legal, in words or as a JSON schema."""
    schema = domain.json_schema()
    match domain.kind:
        case "float" | "int":
            number = "whole number" if domain.kind == "int" else "number"
            scale = ", on a log scale" if getattr(domain, "log", False) else ""
            return f"{number} from {schema['minimum']} to {schema['maximum']}{scale}"
        case "code":
            return str(schema.get("description", "Python source"))
        case "text":
            return f"text of at most {schema['maxLength']} characters" if "maxLength" in schema else "text"
        case "choice":
            return f"one of {', '.join(json.dumps(option, ensure_ascii=False) for option in schema['enum'])}"
    plain_words = {"bool": "true or false", "whole": "any whole number", "real": "any number"}
    return plain_words.get(domain.kind, f"JSON of the schema {json.dumps(schema, ensure_ascii=False)}")


@cache
def example(name: str) -> Mapping[str, str]:
    """Return a worked example: ``problem`` and ``reply``, of which a test holds that the reply can be read."""
    path = files("autoagent.prompts") / "examples" / "optimize" / f"{name}.json"
    row: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return row


def _by_need(cases: Iterable[Case]) -> list[Case]:
    return sorted(cases, key=lambda case: rank(Outcome((case,))))


def _line(line: Any) -> str:  # noqa: ANN401 - a sheet's Line
    return f"{line.text}\n{line.error}" if line.error else str(line.text)


def _entry(name: str, text: str, description: str = "") -> str:
    about = f"  # {description}" if description else ""
    return f"{name}: {text}{about}" if text else f"{name}{about}"


def _case(case: Case) -> str:
    return json.dumps(_facts(case, 1500), ensure_ascii=False)


def _facts(case: Case, most: int) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "instance": cut(case.instance, 100),
        "output": cut(case.output, most),
        "score": None if case.score is None else float(f"{case.score:.6g}"),
        "feedback": cut(case.text, most),
        "error": cut(case.error, most),
    }
    return {name: value for name, value in facts.items() if value not in (None, "")}


def _memo(value: object) -> object:
    text = plain(value)
    if isinstance(text, str):
        return cut(text, 1200)
    return text if len(json.dumps(text)) <= 400 else cut(json.dumps(text), 400)
