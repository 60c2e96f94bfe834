"""From a sentence to a `TaskSpec` with the source words of every field."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoagent.agent.spec import Understanding
from autoagent.agent.understand.evidence import ColumnEvidence, DataEvidence
from autoagent.agent.understand.reader import read_rules
from autoagent.agent.understand.resolve import Resolved, resolve

if TYPE_CHECKING:
    from autoagent.agent.understand.llm import Ask

__all__ = ["ColumnEvidence", "DataEvidence", "Resolved", "resolve", "understand"]


def understand(sentence: str, *, evidence: DataEvidence | None = None, ask: Ask | None = None) -> Understanding:
    """Read a request into the spec's vocabulary; nothing is spent without `ask`.

    Args:
        sentence: the request as typed.
        evidence: what the table says, from `DataEvidence.of`.
        ask: ``(template, context, reply model) -> reply``, for example `autoagent.llm.ask` with its first argument
            bound; without it the rules read alone.
    """
    if ask is None:
        return read_rules(sentence, evidence=evidence)
    from autoagent.agent.understand.llm import read_with

    return read_with(ask, sentence, evidence=evidence)
