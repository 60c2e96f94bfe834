"""The prompt of a classifier is improved on some texts, chosen on others, and scored once on sealed ones. Needs no key.

`--llm URL` asks a real model, as classifier and as optimizer; without it scripted ones answer.
"""

import argparse
import json

from autoagent import ScriptedLLM, bundle, node
from autoagent.llm.connect import connect
from autoagent.llm.messages import Message, Request
from autoagent.optimize import Plan, Population, Split, optimize

TEXTS = [
    ("The parcel never came", "complaint"),
    ("Can I pay by card?", "question"),
    ("Great service, thank you", "praise"),
    ("My bill is wrong again", "complaint"),
    ("When do you open?", "question"),
    ("I love the new app", "praise"),
    ("It broke after a day", "complaint"),
    ("Is there parking?", "question"),
    ("Best shop in town", "praise"),
    ("Nobody answers the phone", "complaint"),
    ("Do you ship abroad?", "question"),
    ("So friendly, thanks", "praise"),
]
CUES = {"question": ("?",), "praise": ("thank", "love", "best", "great"), "complaint": ("",)}


def scripted_classifier(messages: list[dict[str, str]]) -> str:
    """Answer rightly once the prompt names the labels; until then with a sentence."""
    prompt, text = messages[0]["content"].rsplit("\n", 1)
    label = next(label for label, cues in CUES.items() if any(cue in text.lower() for cue in cues))
    return label if all(name in prompt for name in CUES) else f"I think this is a {label}."


def scripted_optimizer(messages: list[dict[str, str]]) -> str:
    """Name the labels."""
    better = "Reply with one word and nothing else: complaint, question or praise."
    return json.dumps({"reasoning": "The answers are sentences; a label is expected.", "updates": {"prompt": better}})


options = argparse.ArgumentParser(description=__doc__)
options.add_argument("--llm", help="URL of an OpenAI-compatible server; scripted replies without it")
url = options.parse_args().llm
student = connect(url) if url else ScriptedLLM(scripted_classifier)
teacher = connect(url) if url else ScriptedLLM(scripted_optimizer)
prompt = node("What kind of message is this?", "prompt", trainable=True, description="stands before the message")


@bundle()
def classify(prompt: str, message: str) -> str:
    """Ask a language model with the prompt and the message below it; its whole answer is the label."""
    request = Request(student.name, (Message("user", f"{prompt}\n{message}"),), temperature=0.0, max_tokens=20)
    return student.complete(request, timeout_s=60.0).text.strip()


def judge(instance: tuple[str, str], answer: str) -> tuple[float, str]:
    """Compare with the label."""
    message, label = instance
    return float(answer == label), f"{message!r} must give {label!r}, not {answer!r}" if answer != label else "right"


parts = Split(train=TEXTS[:4], validation=TEXTS[4:8], test=TEXTS[8:])
optimizer = Population([prompt], teacher, target=1.0)
result = optimize(lambda row: classify(prompt, row[0]), optimizer, parts, judge=judge, plan=Plan(steps=5, minibatch=3))
difference = result.test_difference
print(f"on sealed texts: {result.test_start_score:.0%} -> {result.test_score:.0%}")
print(f"paired difference {difference.mean:+.2f}, 95 % interval [{difference.low:+.2f}, {difference.high:+.2f}]")
print(f"prompt: {result.start.values['prompt']!r} -> {prompt.data!r}")
print(f"{result.num_runs} runs, {result.num_calls} calls of the optimizer; {result.stopped}; replies: {teacher.name}")
