"""Asks a model and returns a typed answer: render, call, parse, repair once."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from autoagent.errors import ReplyError
from autoagent.llm.client import LLM
from autoagent.llm.messages import Message, Reply, Request
from autoagent.llm.parse import ReplyT, parse_reply
from autoagent.prompts.render import render

_QUOTED = 4000  # characters of a bad reply that are shown to the model again


def ask(
    llm: LLM,
    template: str,
    context: Mapping[str, object],
    reply_type: type[ReplyT],
    *,
    timeout_s: float,
    temperature: float = 0.2,
    max_tokens: int = 1500,
    max_repairs: int = 1,
) -> ReplyT:
    """Return a validated reply.

    Args:
        llm: the model.
        template: ``"family/name"`` of the prompt.
        context: what the template needs.
        reply_type: the pydantic model of the reply; its JSON schema goes with the request.
        timeout_s: for all the calls together.
        temperature: 0 is greedy.
        max_tokens: upper bound of one reply.
        max_repairs: how often the model may mend its reply.

    Raises:
        ReplyError: the last reply cannot be used either.
        LLMError: the endpoint gave no reply.
        BudgetExceeded: a call would pass a limit.
    """
    messages = (Message("user", render(template, context)),)
    return converse(
        llm,
        messages,
        reply_type,
        timeout_s=timeout_s,
        temperature=temperature,
        max_tokens=max_tokens,
        max_repairs=max_repairs,
    )


def converse(
    llm: LLM,
    messages: tuple[Message, ...],
    reply_type: type[ReplyT],
    *,
    timeout_s: float,
    temperature: float = 0.2,
    max_tokens: int = 1500,
    max_repairs: int = 1,
    seed: int = 0,
) -> ReplyT:
    """Return a validated reply to the last message of a conversation.

    Args:
        llm: the model.
        messages: the conversation so far; the last is the user's.
        reply_type: as for `ask`.
        timeout_s: for all the calls together.
        temperature: 0 is greedy.
        max_tokens: upper bound of one reply.
        max_repairs: how often the model may mend its reply.
        seed: for endpoints that honour one; repeated draws of one question need different ones.

    Raises:
        ReplyError: the last reply cannot be used either.
        LLMError: the endpoint gave no reply.
        BudgetExceeded: a call would pass a limit.
    """
    deadline = time.monotonic() + timeout_s
    for repairs_left in range(max_repairs, -1, -1):
        request = Request(
            model=llm.name,
            messages=messages,
            schema=_schema(reply_type),
            schema_name=re.sub(r"[^A-Za-z0-9_-]", "_", reply_type.__name__),
            temperature=temperature,
            max_tokens=max_tokens,
            seed=seed,
        )
        reply = llm.complete(request, timeout_s=max(0.0, deadline - time.monotonic()))
        try:
            return parse_reply(reply.text, reply_type)
        except ReplyError as error:
            fault = _explained(error, reply, max_tokens)
        if repairs_left:
            messages = (*messages, Message("assistant", reply.text[:_QUOTED]), Message("user", _repair(fault)))
    raise ReplyError(f"{llm.name!r} gave no usable {reply_type.__name__} reply: {fault}", reply=reply.text)


def _schema(reply_type: type[BaseModel]) -> dict[str, Any]:
    return reply_type.model_json_schema()


def _explained(error: ReplyError, reply: Reply, max_tokens: int) -> str:
    if reply.finish_reason == "length":
        return f"the reply was cut off after {max_tokens} tokens ({error})"
    return str(error)


def _repair(fault: str) -> str:
    return render("repair", {"fault": fault})
