"""Best of a grid: 24 prompts, temperatures and selectors, a winner that looks better, and a paired test that says no.

The cautionary sibling of prompt_for_classifier.py. The published grid of the bar exam (arXiv:2212.14402) has 16 cells
between 48.0 and 51.2 %, where one exam of 209 questions has a standard error of 3.5 points.

Here the answers are SYNTHETIC by default: a simulated candidate knows 45 % of the answers, is wrong about 15 %, and
guesses between two at the rest, whatever it is told. So every cell is equally good, and what the grid finds is noise.
Needs no key. `--llm URL` lets a real model take the exam; take fewer `--questions` then: 24 cells ask once or three
times for each.
"""

import argparse
import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import product

import numpy as np

from autoagent import Choice, ScriptedLLM, bundle, node
from autoagent.llm.client import LLM
from autoagent.llm.connect import connect
from autoagent.llm.messages import Message, Request
from autoagent.optimize import Candidate, Optimizer, Outcome, Plan, Split, optimize, paired_difference
from autoagent.optimize.talk import Failure
from autoagent.runs.budget import Budget

PROMPTS = (
    "Answer with the letter alone.",
    "You are a careful examiner. Answer with the letter alone.",
    "Think about each choice first. Then answer with the letter alone.",
    "This exam decides about your career. Answer with the letter alone.",
)
Question = tuple[str, str]


class Grid(Optimizer):
    """Proposes every combination of choices once; an optimizer of one's own takes these lines."""

    name = "grid"
    failed: list[Failure] = []  # noqa: RUF012 - it asks no model, so no reply can fail

    def propose(self, n: int) -> list[Candidate]:
        """Return the next cells."""
        options = [parameter.domain.options for parameter in self.parameters.nodes.values()]
        cells = [Candidate(dict(zip(self.parameters, row, strict=True)), source=self.name) for row in product(*options)]
        return [cell for cell in cells if cell.key not in self.tries][:n]

    def render(self) -> str:
        """Return no prompt."""
        return ""

    def spend_from(self, budget: Budget | None, wrap: Callable[[LLM], LLM]) -> None:
        """Spend nothing."""


def questions(count: int, seed: int) -> Iterator[Question]:
    """Yield sums with four choices, and the letter of the right one."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        a, b = rng.integers(120, 980, 2)
        right, place = int(a * b), int(rng.integers(4))
        choices = [right + (other - place) * 110 for other in range(4)]
        rows = "\n".join(f"{letter}) {choice}" for letter, choice in zip("ABCD", choices, strict=True))
        yield f"Question {seed}-{number}: {a} times {b} is\n{rows}", "ABCD"[place]


def chance(*parts: object) -> float:
    """Return a number in [0, 1) that depends on the parts alone."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


options = argparse.ArgumentParser(description=__doc__)
options.add_argument("--llm", help="URL of an OpenAI-compatible server; synthetic answers without it")
options.add_argument("--questions", type=int, default=60, help="to choose by; three times as many are sealed")
given = options.parse_args()
known, sealed = list(questions(given.questions, seed=1)), list(questions(3 * given.questions, seed=2))
KEY = dict(known + sealed)
asked: Counter[str] = Counter()


def candidate_of_the_exam(request: Request) -> str:
    """Answer by knowledge and luck; the prompt changes the luck and nothing else."""
    text = request.messages[-1].content
    question, right = text.split("\n\n", 1)[1], KEY[text.split("\n\n", 1)[1]]
    wrong = "ABCD"[("ABCD".index(right) + 1) % 4]
    sample = request.seed if request.temperature else 0  # a greedy model repeats itself
    knows, luck = chance("knows", question), chance(text, request.temperature, sample)
    return right if knows < 0.45 or (knows >= 0.6 and luck < 0.5) else wrong


student = connect(given.llm) if given.llm else ScriptedLLM([candidate_of_the_exam], loop=True, name="synthetic")
prompt = node(PROMPTS[0], "prompt", trainable=True, domain=Choice(PROMPTS))
temperature = node(0.0, "temperature", trainable=True, domain=Choice((0.0, 0.5, 1.0)))
selector = node("first", "selector", trainable=True, domain=Choice(("first", "majority of three")))


@bundle()
def answer(prompt: str, temperature: float, selector: str, question: str) -> str:
    """Ask a model once or three times, and select one of its answers."""
    message, letters = (Message("user", f"{prompt}\n\n{question}"),), []
    for sample in range(3 if selector == "majority of three" else 1):
        request = Request(student.name, message, temperature=temperature, max_tokens=16, seed=sample)
        letters.append(student.complete(request, timeout_s=60.0).text.strip()[:1].upper())
        asked["student"] += 1
    return Counter(letters).most_common(1)[0][0]


def judge(question: Question, letter: str) -> float:
    """Mark an answer; a missing one is wrong."""
    return float(letter == question[1])


def mcnemar(before: Sequence[float], after: Sequence[float]) -> float:
    """Return the exact two-sided p of McNemar's test on pairs of right (1) and wrong (0) answers."""
    gained = sum(a > b for a, b in zip(after, before, strict=True))
    lost = sum(a < b for a, b in zip(after, before, strict=True))
    tail = sum(math.comb(gained + lost, k) for k in range(min(gained, lost) + 1)) / 2 ** (gained + lost)
    return min(1.0, 2 * tail)


def marks(outcome: Outcome) -> list[float]:
    return [case.score or 0.0 for case in outcome.cases]


grid, num_cells = Grid([prompt, temperature, selector]), len(PROMPTS) * 3 * 2
result = optimize(
    lambda row: answer(prompt, temperature, selector, row[0]),
    grid,
    Split(train=known, test=sealed),
    judge=judge,
    plan=Plan(steps=1, candidates=num_cells - 1),
)
table = np.array([marks(entry.outcome) for entry in result.history])
start, best = table[0], table[table.mean(axis=1).argmax()]
rng = np.random.default_rng(0)
by_luck = [rng.permuted(table, axis=0).mean(axis=1).max() for _ in range(1000)]
seen, true = paired_difference(list(start), list(best)), result.test_difference

print(f"{len(table)} cells on {len(known)} questions: {table.mean(axis=1).min():.0%} to {table.mean(axis=1).max():.0%}")
print(f"the winner: {result.best.values}")
print(
    f"on the questions it was chosen by: {start.mean():.1%} -> {best.mean():.1%}, difference {seen.mean:+.1%},", end=" "
)
print(f"95 % interval [{seen.low:+.1%}, {seen.high:+.1%}], McNemar p {mcnemar(start, best):.2f}")
print(f"the best of the same answers dealt to the cells at random: {np.mean(by_luck):.1%} on average,", end=" ")
print(f"{np.mean(np.array(by_luck) >= best.mean()):.0%} of the deals are as good as the winner")
print(f"on {len(sealed)} sealed questions: {result.test_start_score:.1%} -> {result.test_score:.1%},", end=" ")
print(f"difference {true.mean:+.1%}, paired 95 % interval [{true.low:+.1%}, {true.high:+.1%}]")
print("the winner is", "better than the first cell" if true.low > 0 else "not shown to be better than the first cell")
print(f"{result.num_runs} runs, {asked['student']} calls of the student; answers: {student.name}")
