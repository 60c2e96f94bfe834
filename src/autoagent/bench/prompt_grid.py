"""A grid of prompts and decoding settings on questions: the benchmark in which most differences are noise.

The published grid of GPT on the bar exam, 16 cells of 209 questions from 48.0 to 51.2 %, is what one expects when no
cell differs (arXiv:2212.14402, re-analysed: chi-square 1.70 on 15 degrees of freedom). So a cell is compared with
another on the same questions, by McNemar's test, and on questions that did not choose it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autoagent.bench.protocol import DataPlan, Outcome, Split
from autoagent.bench.statistics import mcnemar
from autoagent.errors import UserError
from autoagent.space import Choice, Config, Param, Space

# An answerer gives one reply to a question; `seed` stands for the draw, so that a reply can be had again.
Answerer = Callable[["Question", Mapping[str, Any], int], str]


@dataclass(frozen=True)
class Question:
    """A question with one right choice.

    Attributes:
        text: of the question.
        choices: letters with their texts.
        right: the letter of the right one.
    """

    text: str
    choices: Mapping[str, str]
    right: str

    def __post_init__(self) -> None:
        if self.right not in self.choices:
            raise UserError(f"the right choice {self.right!r} is none of {sorted(self.choices)}")


@dataclass(frozen=True)
class PromptGrid:
    """Which template, temperature, number of answers and way to choose among them answers most questions.

    The loss is the share of questions answered wrongly; no reply that can be read is a wrong answer, and counted.

    Attributes:
        questions: all of them; a DataPlan divides them.
        ask: the answerer.
        templates: each has ``{question}`` and ``{choices}``.
        rows: which questions tune and which test; a third each by default, none is "fitted".
    """

    questions: Sequence[Question]
    ask: Answerer
    templates: Mapping[str, str]
    temperatures: Sequence[float] = (0.0, 0.5, 1.0)
    answers: Sequence[int] = (1, 3, 5)
    name: str = "prompt_grid"
    optimum: None = None
    median: None = None
    about: Mapping[str, str] = field(default_factory=lambda: {"model": "prompt", "metric": "error rate"})

    @property
    def space(self) -> Space:
        """Template, temperature, number of answers, and how one is chosen."""
        return Space(
            {
                "template": Param(Choice(list(self.templates)), next(iter(self.templates))),
                "temperature": Param(Choice(list(self.temperatures)), self.temperatures[0]),
                "answers": Param(Choice(list(self.answers)), self.answers[0]),
                "selector": Param(Choice(["first", "majority"]), "first"),
            }
        )

    @property
    def units(self) -> int:
        """Questions behind a tuning loss."""
        return len(self.rows.tune)

    @property
    def rows(self) -> DataPlan:
        """Half of the questions tune, half test."""
        order = [int(place) for place in np.random.default_rng(0).permutation(len(self.questions))]
        half = len(order) // 2
        return DataPlan((), tuple(order[:half]), tuple(order[half:]))

    def evaluate(self, config: Config, seed: int, split: Split, fidelity: float = 1.0) -> Outcome:
        """Ask; at a lower fidelity, the first share of the questions."""
        split.check(seed)
        began = time.perf_counter()
        _, scored = self.rows.fit_and_score(split)
        right, unread = self.answered(config, seed, scored[: max(1, round(fidelity * len(scored)))])
        return Outcome(
            1 - sum(right) / len(right),
            "ok",
            time.perf_counter() - began,
            {"unread": unread / len(right), "replies": float(int(config["answers"] or 1) * len(right))},
        )

    def answered(self, config: Config, seed: int, rows: Sequence[int]) -> tuple[list[bool], int]:
        """Return which questions were answered rightly, and how many had no reply that can be read."""
        right, unread = [], 0
        for place in rows:
            question = self.questions[place]
            count = int(config["answers"] or 1)
            said = [read_choice(self.ask(question, config, seed * 101 + n), question) for n in range(count)]
            choice = _select([letter for letter in said if letter], str(config["selector"]))
            unread += choice is None
            right.append(choice == question.right)
        return right, unread

    def paired_test(self, first: Config, second: Config, seed: int, split: Split) -> float:
        """Return McNemar's p-value that two cells answer the split's questions equally well."""
        split.check(seed)
        _, scored = self.rows.fit_and_score(split)
        return mcnemar(self.answered(first, seed, scored)[0], self.answered(second, seed, scored)[0])

    def prompt(self, question: Question, config: Mapping[str, Any]) -> str:
        """Return the prompt that a cell asks a question with."""
        choices = "\n".join(f"{letter}. {text}" for letter, text in question.choices.items())
        template = self.templates[config["template"]]
        return template.replace("{question}", question.text).replace("{choices}", choices)


def read_choice(reply: str, question: Question) -> str | None:
    """Return the first letter of a reply that is a choice by itself; None when there is none."""
    for word in reply.replace("(", " ").replace(")", " ").replace(".", " ").replace(":", " ").split():
        if word.strip(",;\"'*") in question.choices:
            return word.strip(",;\"'*")
    return None


@dataclass(frozen=True)
class SimulatedAnswerer:
    """An answerer whose skill is known: each question has its own difficulty, and a cell moves it by ``effects``.

    Attributes:
        effects: of a template, on the log-odds of a right answer; absent is 0.
        skill: mean log-odds.
        spread: standard deviation of a question's difficulty.
        unreadable: share of replies without a choice.
    """

    effects: Mapping[str, float] = field(default_factory=dict)
    skill: float = 0.0
    spread: float = 2.0
    unreadable: float = 0.02

    def __call__(self, question: Question, config: Mapping[str, Any], seed: int) -> str:
        """Return a reply; at temperature 0 it is the same for every draw, as that of a model nearly is."""
        of_question = np.random.default_rng([len(question.text), *question.text.encode()[-8:]])
        odds = self.skill + self.spread * float(of_question.normal()) + self.effects.get(config["template"], 0.0)
        warm = float(config["temperature"]) > 0
        draw = np.random.default_rng([*question.text.encode()[-8:], list(config["template"].encode())[-1], seed * warm])
        if draw.random() < self.unreadable:
            return "I would rather not say"
        if draw.random() < 1 / (1 + np.exp(-odds)):
            return f"The answer is {question.right}."
        wrong = [letter for letter in question.choices if letter != question.right]
        return f"({wrong[int(draw.integers(len(wrong)))]})"


def simulated_exam() -> PromptGrid:
    """Return 240 made-up questions and an answerer to whom the template means next to nothing."""
    letters = "ABCD"
    questions = [
        Question(f"question {n:04d}", {letter: f"text {letter}{n}" for letter in letters}, letters[n * 7 % 4])
        for n in range(240)
    ]
    templates = {
        "plain": "{question}\n{choices}\nAnswer:",
        "steps": "{question}\n{choices}\nThink, then answer:",
        "role": "You sit an exam.\n{question}\n{choices}",
        "rank": "{question}\n{choices}\nRank the choices:",
    }
    return PromptGrid(questions, SimulatedAnswerer({"steps": 0.15}), templates)


def _select(letters: Sequence[str], how: str) -> str | None:
    if not letters:
        return None
    if how == "first":
        return letters[0]
    return max(letters, key=lambda letter: (letters.count(letter), -letters.index(letter)))
