"""A prompt, a temperature and a function improve together: text and code by a model, the number by a sampler.

A language model reads the total out of shop messages, and a function makes a number of its answer. The answer depends
on the prompt and the temperature, the number on the function; `Mixed` gives each to who can search it and one feedback
to both. Needs no key: without `--llm URL` a scripted student answers (more wildly when it is hotter) and a scripted
optimizer proposes; the scores come from running them.
"""

import argparse
import hashlib
import json
import re

from autoagent import Float, ScriptedLLM, bundle, node
from autoagent.llm.connect import connect
from autoagent.llm.messages import Message, Request
from autoagent.optimize import Mixed, Plan, Split, optimize

MESSAGES = [
    (f"{place} items for {cents // 100 // place} EUR each, please pay {cents / 100:,.2f} EUR by the {place}th.", cents)
    for place, cents in enumerate((129900, 4550, 234567, 99, 880000, 1205, 56700, 310015, 7777, 123456), 2)
]
MESSAGES += [
    (f"Order {cents}: your total came to EUR {cents / 100:,.2f}.", cents)
    for cents in (1999, 450000, 35, 76543, 120000, 8800, 999999, 6105, 250, 43210)
]

prompt = node(
    "Read this.", "prompt", trainable=True, description="stands before the message; the model sees both, nothing else"
)
temperature = node(1.2, "temperature", trainable=True, domain=Float(0.0, 1.5), description="of the model that reads")


@bundle(trainable=True)
def to_cents(answer: str) -> int:
    """Return the amount that the answer names, in cents."""
    try:
        return round(float(answer) * 100)
    except ValueError:
        return 0


def scripted_student(request: Request) -> str:
    """Answer roughly, in a sentence, until the prompt asks for the amount; garble a digit now and then when hot."""
    asked, message = request.messages[0].content.split("\n\n", 1)
    amount = re.findall(r"[\d,]+\.\d\d", message)[-1]
    luck = int(hashlib.sha256(f"{message} {request.temperature:.3f}".encode()).hexdigest()[:6], 16) / 16**6
    if luck < (request.temperature - 0.3) / 1.2:
        amount = amount[:-1] + str((int(amount[-1]) + 1) % 10)
    return amount if "amount" in asked.lower() else f"It is about {amount[:-3]} euros, I believe."


FIRST = '''def to_cents(answer: str) -> int:
    """Return the amount that the answer names, in cents."""
    return round(float(answer.replace(",", "")) * 100)
'''
SECOND = '''import re


def to_cents(answer: str) -> int:
    """Return the amount that the answer names, in cents."""
    found = re.findall(r"[0-9][0-9,]*[.][0-9]{2}", answer)
    return round(float(found[-1].replace(",", "")) * 100) if found else 0
'''
IDEAS = [
    ({}, FIRST),  # raises on sentences
    ({"prompt": "Reply with the amount to pay and nothing else."}, ""),
    ({}, SECOND),
]


def scripted_optimizer(request: Request) -> str:
    """Propose the next idea; at the end say that there is none."""
    if not ideas:
        return json.dumps({"reasoning": "no more ideas", "updates": {}, "no_change": "nothing more to try"})
    updates, code = ideas.pop(0)
    reply = json.dumps({"reasoning": "an idea", "updates": updates})
    return f"{reply}\n```python to_cents\n{code}```" if code else reply


options = argparse.ArgumentParser(description=__doc__)
options.add_argument("--llm", help="URL of an OpenAI-compatible server; scripted replies without it")
url = options.parse_args().llm
ideas = list(IDEAS)
student = connect(url) if url else ScriptedLLM([scripted_student], loop=True)
teacher = connect(url) if url else ScriptedLLM([scripted_optimizer], loop=True)


@bundle()
def read(prompt: str, message: str, temperature: float) -> str:
    """Ask a language model with the prompt and the message below it."""
    text = f"{prompt}\n\n{message}"
    request = Request(student.name, (Message("user", text),), temperature=temperature, max_tokens=40)
    return student.complete(request, timeout_s=60.0).text


def judge(instance: tuple[str, int], cents: int) -> tuple[float, str]:
    """Compare with the amount."""
    message, right = instance
    return float(cents == right), "right" if cents == right else f"{message!r} means {right} cents, not {cents}"


parts = Split(train=MESSAGES[0::3], validation=MESSAGES[1::3], test=MESSAGES[2::3])
optimizer = Mixed([prompt, temperature, to_cents.parameter], teacher, objective="Read every total rightly.", target=1.0)
result = optimize(
    lambda row: to_cents(read(prompt, row[0], temperature)),
    optimizer,
    parts,
    judge=judge,
    plan=Plan(steps=16),
)
gain = result.test_difference
print(f"prompt: {result.start.values['prompt']!r} -> {prompt.data!r}")
print(f"temperature: {result.start.values['temperature']:.2f} -> {temperature.data:.2f}")
print(f"function:\n{to_cents.parameter.data}")
tries = [f"{entry.candidate.source} {entry.outcome.score or 0.0:.0%}" for entry in result.history]
print(f"right on training messages, try by try: {', '.join(tries)}")
print(f"right on validation messages: {result.start_score:.0%} -> {result.score:.0%}")
print(f"right on sealed messages: {result.test_start_score:.0%} -> {result.test_score:.0%},", end=" ")
print(f"paired difference {gain.mean:+.0%}, 95 % interval [{gain.low:+.0%}, {gain.high:+.0%}]")
print(f"{result.num_runs} runs, {result.num_calls} calls of the optimizer; {result.stopped}; replies: {teacher.name}")
