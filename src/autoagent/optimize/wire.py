"""What crosses between an optimization and a worker: one line of JSON for a run, one for what came of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from autoagent.errors import UserError
from autoagent.optimize.candidate import Candidate, Case, Parameters
from autoagent.optimize.evaluation import run_case
from autoagent.registry import resolve


class Workplace:
    """A workflow on the worker's side: built once, then it answers one line after the other."""

    def __init__(self, target: str) -> None:
        """Call ``"module:function"``, which returns ``(workflow, judge, parameters)``."""
        build: Any = resolve(target)
        self._workflow, self._judge, nodes = build()
        self._parameters = Parameters(nodes)

    def answer(self, line: str) -> str:
        """Run the job of a line and return the line that says what came of it."""
        values, name, instance = json.loads(line)
        try:
            candidate = Candidate(self._parameters.check(values))
            case = run_case(self._workflow, self._judge, self._parameters, candidate, name, instance)
        except Exception as error:  # noqa: BLE001 - a judge's bug is told to the parent, which raises it
            return fault(error)
        return json.dumps(case.to_json(), allow_nan=False)


def fault(error: Exception) -> str:
    """Return the line that says that nothing can be run before somebody repairs this."""
    return json.dumps({"fault": f"{type(error).__name__}: {error}"})


def packed(jobs: Sequence[tuple[Candidate, str, Any]]) -> list[str]:
    """Return the line of each job.

    Raises:
        UserError: an instance is not JSON.
    """
    try:
        return [json.dumps([c.to_json(), name, instance], allow_nan=False) for c, name, instance in jobs]
    except (TypeError, ValueError) as error:
        raise UserError(f"an instance cannot cross to a process, since it is not JSON: {error}") from error


def failed(line: str, why: str) -> Case:
    """Return the case of a job whose worker gave no answer."""
    return Case(json.loads(line)[1], error=f"the worker process gave none: {why}")


def unpacked(target: str, answer: str) -> Case:
    """Return the case that an answer holds.

    Raises:
        UserError: the answer says that the target has a bug.
    """
    row = json.loads(answer)
    if "fault" in row:
        raise UserError(f"{target}: {row['fault']}")
    return Case.from_json(row)
