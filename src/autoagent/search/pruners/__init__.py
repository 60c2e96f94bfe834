"""The table of pruners: Optuna ``BasePruner`` factories that end a trial early by its reported values.

Every factory takes ``max_resource``, the last step that a whole trial reports, and works in any Optuna study whose
objective calls ``trial.report(value, step)`` and ``trial.should_prune()``.
"""

from __future__ import annotations

from autoagent.registry import Card, Family

PRUNERS: Family[Card] = Family(
    "pruners",
    [
        Card(
            name="asha",
            target="autoagent.search.pruners.asha:build",
            summary="Asynchronous successive halving: at each rung the best third of those that came so far goes on.",
            paper="arXiv:1810.05934",
        ),
        Card(
            name="hyperband",
            target="autoagent.search.pruners.hyperband:build",
            summary="Successive halving in brackets that start later and later; the bracket follows from the number.",
            paper="arXiv:1603.06560",
        ),
        Card(
            name="curve",
            target="autoagent.search.pruners.curve:build",
            summary="A nu-SVR predicts the final value from the curve so far and the configuration.",
            paper="arXiv:1705.10823",
        ),
        Card(
            name="budget",
            target="autoagent.search.pruners.budget:build",
            summary="Ends a trial at the budget that its sampler gave it; the other half of the sampler `dehb`.",
            paper="arXiv:2105.09821",
        ),
        Card(
            name="median",
            target="autoagent.search.pruners.native:build_median",
            summary="Optuna's rule: worse than the median of the finished trials at the same step.",
            paper="10.1145/3097983.3098043",
        ),
        Card(
            name="wilcoxon",
            target="autoagent.search.pruners.native:build_wilcoxon",
            summary="Optuna's signed-rank test against the best trial; steps are folds or instances, not epochs.",
            paper="10.2307/3001968",
        ),
        Card(
            name="none",
            target="autoagent.search.pruners.native:build_none",
            summary="Ends nothing; the baseline of every other pruner.",
            paper="https://optuna.readthedocs.io",
        ),
    ],
)
