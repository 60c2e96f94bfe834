"""The cleaned copy of a sentence, its clauses and the way back to the words as typed."""

from hypothesis import given
from hypothesis import strategies as st

from autoagent.agent.understand.evidence import DataEvidence
from autoagent.agent.understand.reader import clean
from autoagent.agent.understand.sentence import Sentence


def test_the_items_of_a_list_are_clauses() -> None:
    text = "- predict x\n- 10 minutes\n2. AUC"
    sentence = Sentence.of(text)
    place = sentence.clean.index("10")
    assert sentence.clause(place, place + 10)[0].strip() == ""
    assert len(sentence.clean) == len(text)


def test_a_wrapped_line_stays_one_clause() -> None:
    sentence = Sentence.of("finish in at most\n10 minutes")
    assert "at most" in sentence.clause(18, 28)[0]


@given(st.text(max_size=200))
def test_every_cleaned_character_knows_where_it_came_from(text: str) -> None:
    sentence = clean(text, DataEvidence())
    assert len(sentence.clean) == len(sentence.starts) == len(sentence.ends)
    assert all(0 <= a < b <= len(text) for a, b in zip(sentence.starts, sentence.ends, strict=True))
