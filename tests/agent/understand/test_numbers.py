"""Numbers in words, fractions, separators and with units, each with the words that it came from."""

import pytest

from autoagent.agent.understand.numbers import write_in_digits
from autoagent.agent.understand.sentence import Sentence
from autoagent.agent.understand.units import quantities


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("forty-five seconds", "45 seconds"),
        ("a hundred and twenty seconds", "120 seconds"),
        ("two hundred thousand rows", "200000 rows"),
        ("one and a half hours", "1.5 hours"),
        ("12,500 rows", "12500 rows"),
        ("12k rows", "12000 rows"),
        ("a dozen trials", "12 trials"),
        ("a quarter of the rows", "25% of the rows"),
        ("2½ hours", "2.5 hours"),
        ("which one is it", "which one is it"),
    ],
)
def test_numbers_are_written_in_digits(text: str, digits: str) -> None:
    assert write_in_digits(Sentence.of(text)).clean == digits


@pytest.mark.parametrize(
    ("text", "dimension", "value"),
    [
        ("1h30", "duration_s", 5400),
        ("00:20:00", "duration_s", 1200),
        ("2 min 30 s", "duration_s", 150),
        ("500 kB", "size_mb", 0.5),
        ("1 MiB", "size_mb", 1.048576),
        ("50 cents", "usd", 0.5),
        ("$2", "usd", 2),
        ("1.5 kWh", "energy_wh", 1500),
        ("80 percent", "share", 0.8),
    ],
)
def test_a_quantity_is_normalised(text: str, dimension: str, value: float) -> None:
    found = list(quantities(write_in_digits(Sentence.of(text))))
    assert [(q.dimension, q.value) for q in found] == [(dimension, pytest.approx(value))]


def test_the_words_behind_a_number_are_kept() -> None:
    sentence = write_in_digits(Sentence.of("within Forty-Five seconds"))
    quantity = next(iter(quantities(sentence)))
    assert sentence.words(quantity.start, quantity.end) == "Forty-Five seconds"
