"""No call that could pass a limit is sent; what was spent is booked, what is unknown at its bound."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.llm.server import Say, completion, serve

from autoagent.errors import BudgetExceeded, LLMError, UserError
from autoagent.llm.client import OpenAIClient
from autoagent.llm.messages import Message, Reply, Request
from autoagent.llm.meter import MeteredLLM
from autoagent.llm.prices import FREE, PRICES_FILE, Price, parse_price, price_of
from autoagent.llm.scripted import ScriptedLLM
from autoagent.runs.budget import Budget, Limits

PRICE = Price(prompt=1.0, cached=0.5, completion=10.0)


class Model:
    """Says what it used."""

    name = "m"
    max_unclear = 1

    def __init__(self, outcome: Reply | LLMError, price: Price | None = PRICE) -> None:
        self.price = price
        self.outcome = outcome
        self.num_calls = 0

    def complete(self, request: Request, *, timeout_s: float) -> Reply:
        self.num_calls += 1
        if isinstance(self.outcome, LLMError):
            raise self.outcome
        return self.outcome


def request(text: str = "hello", max_tokens: int = 100) -> Request:
    return Request("m", (Message("user", text),), max_tokens=max_tokens)


def budget(**limits: Any) -> Budget:
    return Budget(Limits(**limits), lambda: 0.0)


def test_real_usage_is_booked_and_the_reservation_given_back() -> None:
    money = budget(llm_cost_usd=1.0, llm_tokens=100_000)
    reply = MeteredLLM(Model(Reply("", 100, 20, 40)), money).complete(request(), timeout_s=1)
    assert reply.cost_usd == pytest.approx((60 * 1.0 + 40 * 0.5 + 20 * 10.0) / 1e6)
    assert (money.used("llm_calls"), money.used("llm_tokens")) == (1, 120)
    assert money.used("llm_cost_usd") == pytest.approx(reply.cost_usd)
    assert money.left("llm_tokens") == 100_000 - 120


@pytest.mark.parametrize("limits", [{"llm_calls": 0}, {"llm_tokens": 100}, {"llm_cost_usd": 0.0005}])
def test_a_call_that_could_pass_a_limit_is_not_sent(limits: dict[str, Any]) -> None:
    money, model = budget(**limits), Model(Reply("", 1, 1))
    with pytest.raises(BudgetExceeded) as caught:
        MeteredLLM(model, money).complete(request(), timeout_s=1)
    assert caught.value.resource in limits
    assert model.num_calls == 0
    assert set(money.snapshot().values()) <= {0.0}
    assert money.left("llm_calls") in (None, 0), "nothing stays reserved"


def test_missing_usage_is_booked_at_its_bound() -> None:
    money = budget()
    meter = MeteredLLM(Model(Reply("")), money)
    meter.complete(request(), timeout_s=1)
    bound = meter.bound(request())
    assert money.used("llm_tokens") == bound.tokens
    assert money.used("llm_cost_usd") == pytest.approx(bound.cost_usd)


@pytest.mark.parametrize("unclear", [0, 1, 2])
def test_lost_attempts_are_booked_at_their_bound(unclear: int) -> None:
    money = budget()
    meter = MeteredLLM(Model(LLMError("lost", unclear=unclear)), money)
    with pytest.raises(LLMError, match="lost"):
        meter.complete(request(), timeout_s=1)
    assert money.used("llm_tokens") == unclear * meter.bound(request()).tokens
    assert money.used("llm_calls") == 1


def test_an_unknown_price_and_a_dollar_limit_do_not_go_together() -> None:
    model = Model(Reply("", 1, 1), price=None)
    with pytest.raises(BudgetExceeded, match="price of 'm' is unknown") as caught:
        MeteredLLM(model, budget(llm_cost_usd=5.0)).complete(request(), timeout_s=1)
    assert caught.value.resource == "llm_cost_usd"
    assert model.num_calls == 0


def test_an_unknown_price_without_a_dollar_limit_stays_unknown() -> None:
    money = budget(llm_tokens=10_000)
    reply = MeteredLLM(Model(Reply("", 1, 1), price=None), money).complete(request(), timeout_s=1)
    assert reply.cost_usd is None
    assert money.used("llm_tokens") == 2


def test_a_model_on_this_machine_is_free() -> None:
    with serve() as server, OpenAIClient("no-such-model", server.url) as client:
        reply = MeteredLLM(client, budget(llm_cost_usd=0.0)).complete(request(), timeout_s=5)
    assert reply.cost_usd == 0.0


def test_a_lost_and_repeated_attempt_of_the_real_client_is_booked() -> None:
    money = budget()
    with serve(Say(hang_up=True), Say(completion())) as server, OpenAIClient("m", server.url) as client:
        meter = MeteredLLM(client, money)
        meter.complete(request(), timeout_s=20)
    assert money.used("llm_tokens") == 18 + meter.bound(request()).tokens


def test_an_interrupt_books_the_bound_and_frees_the_rest() -> None:
    def interrupt(_: Request) -> str:
        raise KeyboardInterrupt

    money = budget(llm_calls=5)
    with pytest.raises(KeyboardInterrupt):
        MeteredLLM(ScriptedLLM([interrupt]), money).complete(request(), timeout_s=1)
    assert (money.used("llm_calls"), money.left("llm_calls")) == (1, 4)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 100), st.sampled_from([0, 1])), max_size=20))
def test_no_sequence_of_calls_passes_the_limits(calls: list[tuple[int, int, int]]) -> None:
    money = budget(llm_tokens=5_000, llm_cost_usd=0.004, llm_calls=9)
    for prompt, completion_tokens, unclear in calls:
        model = Model(Reply("", min(prompt, 60), completion_tokens, unclear=unclear))
        meter = MeteredLLM(model, money)
        try:
            meter.complete(request("x" * prompt), timeout_s=1)
        except BudgetExceeded:
            assert model.num_calls == 0
    assert money.used("llm_tokens") <= 5_000
    assert money.used("llm_cost_usd") <= 0.004 + 1e-12
    assert money.used("llm_calls") <= 9


def test_a_price_is_stated_by_the_user_or_unknown_and_this_machine_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert price_of("a-model") is None
    assert price_of("a-model", base_url="http://localhost:1/v1") == FREE
    assert price_of("a-model", base_url="http://localhost.example.org/v1") is None
    (tmp_path / "prices.json").write_text('{"a-model": "1.25:0.125:10", "bad": "cheap"}')
    monkeypatch.setenv(PRICES_FILE, str(tmp_path / "prices.json"))
    assert price_of("a-model") == Price(1.25, 0.125, 10.0)
    assert price_of("another") is None
    with pytest.raises(UserError, match="'cheap' is no price"):
        price_of("bad")
    monkeypatch.setenv(PRICES_FILE, str(tmp_path / "missing.json"))
    with pytest.raises(UserError, match=r"missing\.json"):
        price_of("a-model")


def test_a_price_without_a_cached_part_counts_cached_tokens_in_full() -> None:
    assert parse_price("1.25:10") == Price(1.25, 1.25, 10.0)


@pytest.mark.parametrize("text", ["", "1", "1:2:3:4", "a:b", "-1:2", "inf:1", "nan:1", "1,5:2"])
def test_what_is_no_price_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(UserError, match=r"is no price; write PROMPT:COMPLETION"):
        parse_price(text)
