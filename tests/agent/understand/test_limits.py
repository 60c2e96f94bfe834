"""Limits: time, size, speed, money and counts, in any unit, spelling and place; and what is no limit of ours."""

import pytest

from autoagent.agent.spec import Constraints
from autoagent.agent.understand import understand


def limits(sentence: str) -> dict[str, object]:
    return understand(sentence).spec.constraints.model_dump(exclude_none=True)


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("at most 2 minutes", 120),
        ("a quarter of an hour", 900),
        ("three quarters of an hour", 2700),
        ("forty-five seconds", 45),
        ("also forty-five seconds", 45),
        ("Ten minutes is ok", 600),
        ("five minutes are enough", 300),
        ("no longer than 1h30", 5400),
        ("one and a half hours", 5400),
        ("time limit 00:20:00", 1200),
        ("in maximal 10 minutes", 600),
        ("hard stop after 600 seconds", 600),
        ("a hundred and twenty seconds", 120),
        ("withni 10 miuntes", 600),
        ("half an huor", 1800),
        ("7.5 min", 450),
        ("2 min 30 s training", 150),
    ],
)
def test_a_training_time_is_read_however_it_is_written(words: str, seconds: float) -> None:
    assert limits(f"predict sale_price, {words}") == {"train_time_s": seconds}


@pytest.mark.parametrize(
    ("words", "megabytes"),
    [
        ("model under 500 kB", 0.5),
        ("0.8 GB model at most", 800),
        ("it shall not be bigger as 2 MB", 2),
        ("model no bigger than three megabytes", 3),
        ("at most 750 kilobytes", 0.75),
    ],
)
def test_a_model_size_is_read_in_megabytes(words: str, megabytes: float) -> None:
    assert limits(f"predict sale_price, {words}") == {"model_size_mb": megabytes}


@pytest.mark.parametrize(
    ("words", "milliseconds"),
    [("5 ms per row", 5), ("answers within 20 milliseconds", 20), ("latency below 0.1 s", 100)],
)
def test_a_latency_is_read_in_milliseconds(words: str, milliseconds: float) -> None:
    assert limits(f"predict sale_price, {words}") == {"latency_ms": milliseconds}


@pytest.mark.parametrize(
    ("words", "dollars"),
    [
        ("at most $0.25 on tokens", 0.25),
        ("LLM budget: $2", 2),
        ("spend no more than fifty cents on the LLM", 0.5),
        ("at most 1 dollar", 1),
    ],
)
def test_a_cap_for_the_language_model_is_read_in_dollars(words: str, dollars: float) -> None:
    assert limits(f"predict sale_price, {words}") == {"llm_cost_usd": dollars}


@pytest.mark.parametrize(
    "words",
    [
        "We pay 40 dollars per call",
        "Each lost customer costs us 250 dollars",
        "Our budget for marketing is 10k dollars",
        "We charge $19 a month",
        "houses cost between 100k and 900k dollars",
        "A trip takes 25 minutes on average",
        "I waited 40 minutes on the last tool",
        "The meeting lasts 90 minutes",
        "The dataset has 3 years of history and 2 GB of logs",
        "My laptop has 16 GB of RAM",
        "My thesis is due in 3 weeks",
    ],
)
def test_a_number_that_speaks_of_something_else_is_no_limit(words: str) -> None:
    assert limits(f"{words}. Predict sale_price.") == {}


def test_money_of_the_business_does_not_hide_the_cap() -> None:
    assert limits("we pay 40 dollars per call. predict y_flag, spend at most $0.25 on tokens") == {"llm_cost_usd": 0.25}


def test_without_punctuation_each_quantity_keeps_its_own_meaning() -> None:
    assert limits("predict sale_price rmse five minutes two megabytes") == {"train_time_s": 300, "model_size_mb": 2}
    assert limits("45 s latency under 20 ms predict sale_price")["latency_ms"] == 20


def test_counts_are_read_with_their_words() -> None:
    sentence = (
        "predict sale_price, a dozen trials, stop after 4 trials without improvement, 8 cores, 1000 requests per second"
    )
    expected = {"max_trials": 12, "early_stop_patience_trials": 4, "cpu_cores": 8, "throughput_per_s": 1000}
    assert limits(sentence) == expected


def test_a_stop_after_trials_is_a_limit_and_not_patience() -> None:
    assert limits("predict sale_price, stop after 60 trials") == {"max_trials": 60}
    assert limits("predict sale_price, stop after 6 trials in a row without gain") == {"early_stop_patience_trials": 6}


def test_a_delay_is_told_from_a_latency() -> None:
    assert limits("anomaly detection, spot the leak within 300 ms") == {"detection_delay_ms": 300}
    assert limits("predict y_a, answer within 300 ms") == {"latency_ms": 300}


def test_a_cards_memory_is_no_size_of_the_model() -> None:
    assert limits("predict y_a on one RTX 4090, 6 GB of it") == {"n_gpus": 1, "gpu_memory_mb": 6000}


def test_the_foot_of_a_mail_states_nothing() -> None:
    assert understand("predict y_a. Sent from my iPhone 12").spec.deploy.target is None


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("time_limit=300", {"train_time_s": 300}),
        ("--time-limit 90", {"train_time_s": 90}),
        ("the 50-minute talk was nice", {}),
        ("a 50-minute limit", {"train_time_s": 3000}),
        ("anything past 00:20:00 is killed", {"train_time_s": 1200}),
        ("I own a 16 GB laptop", {}),
        ("the model smaller than 4M", {"model_size_mb": 4}),
        ("last week it burned $30 of tokens, now 3 dollars and not a cent more", {"llm_cost_usd": 3}),
        ("four photos a second", {"throughput_per_s": 4}),
        ("room 204 has a door", {}),
    ],
)
def test_quantities_are_told_apart_by_their_words(words: str, expected: dict[str, object]) -> None:
    assert limits(f"predict sale_price. {words}") == expected


def test_two_values_for_one_limit_are_asked_about() -> None:
    understood = understand("predict sale_price in 5 minutes, no, within an hour")
    assert "constraints.train_time_s" in understood.spec.clarify
    assert "contradiction:constraints.train_time_s" in understood.spec.warnings


def test_every_limit_has_a_place_in_the_spec() -> None:
    assert set(limits("predict y_a, 5 min, 2 MB, 3 ms per row, 50 Wh, 2 cores, 9 trials")) <= set(
        Constraints.model_fields
    )
