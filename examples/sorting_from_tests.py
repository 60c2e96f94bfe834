"""A function is learned from failing tests, checked before it is accepted, and run in the sandbox. Needs no key.

`--llm URL` asks a real model; without it a scripted one answers: first with a wrong signature, then wrongly, then well.
"""

import argparse

from autoagent import OptoPrime, ScriptedLLM, bundle
from autoagent.llm.connect import connect
from autoagent.optimize import Plan, Split, optimize
from autoagent.sandbox import isolation


@bundle(trainable=True)
def strange_sort(numbers: list[int]) -> list[int]:
    """Return the smallest, then the largest of the rest, then the smallest of what is left, and so on."""
    return numbers


TESTS = [
    ([1, 2, 3, 4], [1, 4, 2, 3]),
    ([5, 5, 5, 5], [5, 5, 5, 5]),
    ([], []),
    ([5, 6, 7, 8, 9], [5, 9, 6, 8, 7]),
    ([111111], [111111]),
]
SEALED = [([1, 2, 3, 4, 5], [1, 5, 2, 4, 3]), ([0, 2, 2, 2, 5, 5, -5, -5], [-5, 5, -5, 5, 0, 2, 2, 2])]


def judge(test: tuple[list[int], list[int]], output: list[int]) -> tuple[float, str]:
    """Compare with what is expected."""
    numbers, expected = test
    is_right = output == expected
    return float(is_right), "right" if is_right else f"strange_sort({numbers}) must be {expected}, not {output}"


REPLIES = [
    """{"reasoning": "Sort them.", "updates": {}}
```python strange_sort
def strange_sort(values):
    return sorted(values)
```""",
    """{"reasoning": "Keep the signature.", "updates": {}}
```python strange_sort
def strange_sort(numbers: list[int]) -> list[int]:
    \"\"\"Return the smallest, then the largest of the rest, then the smallest of what is left, and so on.\"\"\"
    return sorted(numbers)
```""",
    """{"reasoning": "Sorting alone is not enough: take from both ends in turn.", "updates": {}}
```python strange_sort
def strange_sort(numbers: list[int]) -> list[int]:
    \"\"\"Return the smallest, then the largest of the rest, then the smallest of what is left, and so on.\"\"\"
    left, result = sorted(numbers), []
    while left:
        result.append(left.pop(0 if len(result) % 2 == 0 else -1))
    return result
```""",
]

options = argparse.ArgumentParser(description=__doc__)
options.add_argument("--llm", help="URL of an OpenAI-compatible server; scripted replies without it")
url = options.parse_args().llm
llm = connect(url) if url else ScriptedLLM(REPLIES)

optimizer = OptoPrime(strange_sort.parameters(), llm, objective="Every test must pass.", target=1.0)
result = optimize(
    lambda test: strange_sort(test[0]), optimizer, Split(train=TESTS, test=SEALED), judge=judge, plan=Plan()
)
print(f"tests passed: {result.start_score:.0%} -> {result.score:.0%}; {result.stopped}")
print(f"tests never shown: {result.test_start_score:.0%} -> {result.test_score:.0%}")
print(f"{result.num_runs} runs in the sandbox ({isolation().level} isolation), {result.num_calls} calls", end=", ")
print(f"{optimizer.talk.num_repairs} replies mended, {result.num_failed_replies} failed; replies: {llm.name}")
