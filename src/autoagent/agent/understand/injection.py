# ruff: noqa: E501
"""Text inside data that reads like an instruction: it changes nothing, and it is reported."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_COMMANDS = re.compile(
    r"""
    \b(?:ignore|disregard|forget|override|bypass)\b.{0,40}\b(?:previous|prior|above|earlier|all|any|your|these|the)\b
        .{0,30}\b(?:instructions?|prompts?|rules?|requests?|constraints?|limits?|guidelines|directions?|said|told)\b
  | \b(?:you\s+are\s+now|from\s+now\s+on|new\s+instructions?|system\s+prompt|act\s+as\s+(?:a|an|if)|pretend\s+to\s+be)\b
  | <\|?(?:im_start|im_end|system|/?inst)\|?> | \[/?inst\] | ^\s*\#{2,}\s*(?:system|instruction) | ^\s*(?:system|assistant)\s*:\s*\S
  | \b(?:note|message|attention|dear|hey|hello|important)\b.{0,20}\b(?:ai|llm|agent|model|assistant|automl|gpt|chatbot)\b
  | \b(?:as\s+an?|to\s+the|dear)\s+(?:ai|llm|language\s+model|agent|assistant)\b
  | \b(?:report|print|output|return|claim|write)\b.{0,25}\b(?:accuracy|auc|auroc|score|f1|rmse|metric)\b.{0,15}\b(?:of|as|=|is)\b\s*[\d.]+
  | \b(?:reveal|print|send|leak|exfiltrate|upload|show|output)\b.{0,30}\b(?:api[\s_-]*keys?|passwords?|secrets?|credentials?|env(?:ironment)?\b|tokens?\b)
  | \b(?:rm\s+-rf|curl\s+https?:|wget\s+https?:|os\.system|subprocess\.|__import__|eval\(|exec\()
  | \b(?:set|use|change|make|choose|treat)\b.{0,20}\b(?:the\s+)?(?:target|label|metric|budget|split|test\s+set|objective)\b.{0,12}\b(?:to|as|be)\b
  | \b(?:use|train\s+on|look\s+at|read|open)\b.{0,15}\bthe\s+test\s+(?:set|data|labels|split)\b
  | \b(?:do\s+not|don'?t|never)\s+(?:train|evaluate|use\s+this|report|tell|mention|split)\b
    """,
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
# Column names join their words: ignore_previous_instructions.
_JOINTS = re.compile(r"[_\-./]+|(?<=[a-z])(?=[A-Z])")


@dataclass(frozen=True)
class Suspicion:
    """A text in the data that looks like an instruction.

    Attributes:
        where: ``"column name"``, ``"a cell of 'notes'"``.
        text: the text, shortened.
    """

    where: str
    text: str


def looks_like_instruction(text: str) -> bool:
    """Say whether a text from the data reads like an order to us."""
    return bool(_COMMANDS.search(text[:2000])) or bool(_COMMANDS.search(_JOINTS.sub(" ", text[:2000])))


def suspicions(where: str, texts: Iterable[str], *, limit: int = 3) -> tuple[Suspicion, ...]:
    """Return the first few texts that look like instructions."""
    out: list[Suspicion] = []
    for text in texts:
        if looks_like_instruction(text):
            out.append(Suspicion(where=where, text=" ".join(text.split())[:160]))
            if len(out) == limit:
                break
    return tuple(out)
