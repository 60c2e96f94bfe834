"""Search programs for the update rule of an optimizer: it starts at AdamW, and rules of Lion's form are in reach.

A rule is a `Code` parameter. A proposal is executed on abstract values first (kinds and ranges): dead and redundant
statements go, and what does not fit is told to the model. Then it runs on probes in the sandbox: what gives the numbers
of a known rule is that rule, and is not trained again. The loop is the funnel: a rule that beats its parent on cheap
tasks is trained on dearer ones, which choose. The winner is simplified, and only then are larger sealed tasks opened.

Method: arXiv:2302.06675 (Symbolic Discovery of Optimization Algorithms), at toy size: it shows the machinery, and says
nothing about training large networks. Needs no key: without `--llm URL` seeded random mutations stand in for the model.
The default seed is one of six that were tried, and the one that met Lion's form; the others ended at Signum, signSGD or
relatives of Adam.
"""

import argparse
import hashlib
import json
import math
from collections import Counter
from pathlib import Path

import numpy as np

from autoagent import Code, bundle, node
from autoagent.errors import DomainError, SandboxFailure
from autoagent.llm.connect import connect
from autoagent.optimize import Plan, Population, Split, optimize, paired_difference
from autoagent.sandbox import Limits, Sandbox

from programs import ADAMW, cleaned, form, num_operations, smaller  # isort: skip
from proposing import mutator  # isort: skip

PROXIES = Path(__file__).with_name("proxies.py").read_text(encoding="utf-8")
HIDDEN = (0, 4, 8)  # units; without any the classifier is linear
FLOOR = 0.01  # added to a loss, so that one perfect task does not decide
ROUGH, FINE = 0.15, 0.02  # of the score: what a simpler rule may lose on few tasks, and on many


def tasks(steps: int, seeds: range) -> list[dict]:
    """Return the tasks of one size."""
    shape = {"rows": 200, "features": 10, "steps": steps}
    return [{"hidden": hidden, "seed": seed, **shape} for seed in seeds for hidden in HIDDEN]


def score_of(loss: float | None) -> float:
    """Return the score of a loss; that of a diverged training is below every other."""
    return -math.inf if loss is None else -math.log(loss + FLOOR)


class Rules:
    """Turns proposals into rules that are worth training: clean, runnable, and different from every known one."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox, self.tally = sandbox, Counter()
        self._answers: dict[str, str | DomainError] = {}
        self._by_print: dict[str, str] = {}
        rng = np.random.default_rng(0)
        self._probes = [
            [*rng.normal(size=(3, 4)).tolist(), (rng.normal(size=4) ** 2).tolist(), step, 0.01]
            for step in (1.0, 3.0, 50.0)
        ]

    def known(self, source: str) -> str:
        """Return the rule that a proposal stands for; a projection of the parameter.

        Raises:
            DomainError: the program does not hold what a rule must.
        """
        if source not in self._answers:
            try:
                program = self._answers[source] = self._read(source)
                self._answers[program] = program
            except DomainError as error:
                self.tally["refused"] += 1
                self._answers[source] = error
        answer = self._answers[source]
        if isinstance(answer, DomainError):
            raise answer
        return answer

    def _read(self, source: str) -> str:
        self.tally["read"] += 1
        program = cleaned(source)
        self.tally["shortened"] += num_operations(program) < num_operations(source)
        if program in self._by_print.values():
            self.tally["the same after cleaning"] += 1
            return program
        try:
            outputs = self.sandbox.call(program + PROXIES, "probed", self._probes)
        except SandboxFailure as error:
            raise DomainError(f"on small inputs the rule fails: {error}") from error
        if not all(np.shape(part) == (4,) and np.all(np.isfinite(part)) for row in outputs for part in row):
            raise DomainError("on small inputs the rule gives numbers that are not finite")
        rounded = [[[float(f"{x:.6g}") for x in part] for part in row] for row in outputs]
        key = hashlib.sha256(json.dumps(rounded).encode()).hexdigest()
        self.tally["the same on probes"] += key in self._by_print
        return self._by_print.setdefault(key, program)


def simplified(rule: str, score, stages: list[tuple[list[dict], float]], rules: Rules) -> str:
    """Return the rule without the operations that its score does not need.

    Each stage has tasks, and what a simpler rule may lose on them; the few and rough ones come first.
    """

    def is_as_good(smaller_rule: str) -> bool:
        return all(score(smaller_rule, on) >= score(rule, on) - most for on, most in stages)

    improved = True
    while improved:
        improved = False
        for proposal in smaller(rule):
            try:
                smaller_rule = rules.known(proposal)
            except DomainError:
                continue
            if num_operations(smaller_rule) < num_operations(rule) and is_as_good(smaller_rule):
                rule, improved = smaller_rule, True
                break
    return rule


options = argparse.ArgumentParser(description=__doc__)
options.add_argument("--llm", help="URL of an OpenAI-compatible server; seeded mutations without it")
options.add_argument("--rounds", type=int, default=20, help="of two proposals each")
options.add_argument("--seed", type=int, default=1, help="of the mutations")
given = options.parse_args()
llm = connect(given.llm) if given.llm else mutator(given.seed)

with Sandbox(Limits(timeout_s=30.0)) as sandbox:
    rules = Rules(sandbox)
    start = rules.known(ADAMW)
    update = node(
        start,
        "update",
        trainable=True,
        domain=Code.of(start, "update"),
        projections=(rules.known,),
        description="rule of an optimizer; only + - * / ** and np.sign, sqrt, abs, tanh, exp, square; straight lines",
    )
    losses: dict[tuple[str, str], float | None] = {}

    @bundle()
    def train(update: str, task: dict) -> float:
        """Train with the rule at several learning rates, and return the best final loss."""
        key = update, json.dumps(task)
        if key not in losses:
            losses[key] = sandbox.call(update + PROXIES, "best_losses", [task])[0]
        if losses[key] is None:
            raise ValueError("the training diverged at every learning rate")
        return losses[key]

    def judge(task: dict, loss: float) -> tuple[float, str]:
        """Score a training: 0.1 more is a loss that is 10 % lower."""
        return score_of(loss), f"{task['hidden']} hidden units: final loss {loss:.4g}"

    def scores(rule: str, on: list[dict]) -> list[float]:
        """Return the scores of a rule, for the simplification and the sealed tasks."""
        missing = [task for task in on if (rule, json.dumps(task)) not in losses]
        found = sandbox.call(rule + PROXIES, "best_losses", missing) if missing else []
        losses.update({(rule, json.dumps(task)): loss for task, loss in zip(missing, found, strict=True)})
        return [score_of(losses[rule, json.dumps(task)]) for task in on]

    cheap, dear, sealed = tasks(50, range(1)), tasks(100, range(10, 12)), tasks(100, range(20, 28))
    optimizer = Population([update], llm, objective="Reach a lower loss in as few steps.", memory_size=1)
    plan = Plan(steps=given.rounds, candidates=2, patience=given.rounds)
    result = optimize(lambda task: train(update, task), optimizer, Split(cheap, dear), judge=judge, plan=plan)
    winner = result.best.values["update"]
    stages = [(dear, ROUGH), (dear + tasks(100, range(12, 18)), FINE)]
    final = simplified(winner, lambda rule, on: float(np.mean(scores(rule, on))), stages, rules)
    gain = paired_difference(scores(start, sealed), scores(final, sealed))
    update.set(final)

print(f"start, AdamW, {num_operations(start)} operations:\n{start}")
print(f"the best of {len(result.history)} rules, {num_operations(winner)} operations:\n{winner}")
print(f"simplified, {num_operations(final)} operations; its form is {form(final)}:\n{final}")
told = ", ".join(f"{count} {what}" for what, count in rules.tally.items())
print(f"proposals: {told}; {result.num_duplicates + result.num_failed_replies} tried before or given up")
print(f"funnel: {len(result.history)} rules on cheap tasks, {len(optimizer.scores)} on dearer ones, 2 on sealed ones")
print(f"score (0.1 is a loss 10 % lower) on the dearer tasks: {result.start_score:.3f} -> {result.score:.3f}")
print(f"on {gain.num_pairs} sealed tasks: {gain.mean:+.3f}, paired 95 % interval [{gain.low:+.3f}, {gain.high:+.3f}]")
print(f"{result.num_runs} runs and {result.num_calls} calls of the loop, {len(losses)} trainings; replies: {llm.name}")
