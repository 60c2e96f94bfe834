# ruff: noqa: E501
"""The column whose rows belong together, found by words that say that they must not be divided."""

from __future__ import annotations

import re

from autoagent.agent.understand.finding import Mention
from autoagent.agent.understand.sentence import Sentence
from autoagent.agent.understand.target import led_to

# What belongs together must not be divided, in whatever words.
TOGETHER = re.compile(
    r"\b(?:straddl\w+|cross(?:es|ing)? (?:the |over )?(?:folds?|splits?|boundar\w+)|intact|shared (?:between|across|by)|(?:in|on|to|of) both (?:parts|sides|sets|halves|the train\w*|train\w*)|(?:on|in|to) (?:the same|1|one|either|a single) (?:side|fold|part|set|half)\b|across (?:the )?(?:split|folds|sets|parts|train)|in train(?:ing)? and (?:in )?(?:test|validation)|both train\w* and (?:test|validation)"
    r"|(?:not|n't|are no|never) (?:be )?independent|(?:are|is) (?:correlated|related|dependent|nested)|nested (?:by|in|within)|clustered (?:by|within)|(?:kept|stay|stays|remain|belong|belongs|go|goes) together|kept apart|(?:not|never|n't) (?:be )?(?:split|torn|divided|spread|scattered)(?: up| apart| across)?"
    r"|(?:not|never|n't) be mixed|mixed (?:between|across)|(?:don't|never|not) (?:mix|leak|separate|divide|tear)|seen (?:subjects?|persons?|people|patients?|users?|sites?)|(?:unseen|new|other) (?:\w+ )?(?:subjects?|persons?|people|patients?|users?|sites?|households?|schools?|hospitals?) in (?:the )?test)\b"
)
_NEAR = 70  # characters between such words and the column they are about


def kept_together(sentence: Sentence, mentions: list[Mention], taken: set[int]) -> Mention | None:
    """Return the column nearest to words that say that what belongs together must not be divided."""
    cues = [match.span() for match in sentence.find(TOGETHER)]
    free = [m for m in mentions if m.start not in taken and not led_to(sentence, m)]
    near = [
        (min(abs(m.start - end), abs(start - m.end)), m)
        for m in free
        for start, end in cues
        if sentence.clean[min(m.end, end) : max(m.start, start)].count(". ") < 2
    ]
    close = [(gap, m) for gap, m in near if gap <= _NEAR]
    return min(close, key=lambda item: item[0])[1] if close else None
