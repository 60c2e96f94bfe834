"""The table of samplers: Optuna ``BaseSampler`` factories that propose configurations inside one family."""

from __future__ import annotations

from autoagent.registry import Card, Family

SAMPLERS: Family[Card] = Family(
    "samplers",
    [
        Card(
            name="agent",
            target="autoagent.search.samplers.portfolio:build",
            summary="Known good configurations first, then a multivariate TPE; the default of `autoagent run`.",
            paper="arXiv:2304.11127",
        ),
        Card(
            name="agent_sampler",
            target="autoagent.search.samplers.agent:build",
            summary="Defaults by name, a model's ideas, then our Gaussian process scores all candidates; TPE past 300.",
            paper="arXiv:2310.20708",
        ),
        Card(
            name="tpe",
            target="autoagent.search.samplers.native:build_tpe",
            summary="Optuna's multivariate tree-structured Parzen estimator, grouped by conditions.",
            paper="arXiv:2304.11127",
        ),
        Card(
            name="random",
            target="autoagent.search.samplers.native:build_random",
            summary="Independent draws from the space; the baseline of every other sampler.",
            paper="10.5555/2188385.2188395",
        ),
        Card(
            name="qmc",
            target="autoagent.search.samplers.native:build_qmc",
            summary="Optuna's scrambled Sobol sequence.",
            paper="10.1016/0041-5553(67)90144-9",
        ),
        Card(
            name="gp",
            target="autoagent.search.samplers.native:build_gp",
            summary="Optuna's Gaussian process with log expected improvement; imports torch, slow past 300 trials.",
            paper="arXiv:2310.20708",
        ),
        Card(
            name="mcts",
            target="autoagent.search.samplers.mcts:build",
            summary="Monte-Carlo tree search over decisions in the order of asking; wide ranges are halved.",
            paper="arXiv:1704.08792",
        ),
        Card(
            name="smbo",
            target="autoagent.search.samplers.smbo:build",
            summary="A Gaussian process on n-grams of decisions scores many rollouts of a structured space.",
            paper="arXiv:1704.08792",
        ),
        Card(
            name="evolution",
            target="autoagent.search.samplers.evolution:build",
            summary="Regularised evolution: the oldest dies, the best of a few has a child with one change.",
            paper="arXiv:1802.01548",
        ),
        Card(
            name="pso",
            target="autoagent.search.samplers.pso:build",
            summary="A particle swarm with constriction; its velocities are differences of earlier trials.",
            paper="10.1109/4235.985692",
        ),
        Card(
            name="cem",
            target="autoagent.search.samplers.cem:build",
            summary="The cross-entropy method for numbers and categories; may start from a prior.",
            paper="10.1023/A:1010091220143",
        ),
        Card(
            name="de",
            target="autoagent.search.samplers.de:build",
            summary="Differential evolution (rand/1/bin), or JADE, which learns its own settings.",
            paper="10.1023/A:1008202821328",
        ),
        Card(
            name="dehb",
            target="autoagent.search.samplers.dehb:build",
            summary="Differential evolution in Hyperband's budgets; goes with the pruner `budget`.",
            paper="arXiv:2105.09821",
        ),
        Card(
            name="prior",
            target="autoagent.search.samplers.prior:build",
            summary="Draws from published settings, their centre first; learns nothing, so it starts a `WarmStart`.",
            paper="arXiv:2505.24005",
        ),
        Card(
            name="coordinate",
            target="autoagent.search.samplers.coordinate:build",
            summary="One change at a time until none helps, from a known start; steps are halved then.",
            paper="arXiv:2509.02046",
        ),
        Card(
            name="llambo",
            target="autoagent.search.samplers.llambo:build",
            summary="A language model warm-starts, proposes and predicts (12 requests a trial); without one, the TPE.",
            paper="arXiv:2402.03921",
        ),
        Card(
            name="opro",
            target="autoagent.search.samplers.opro:build",
            summary="A language model sees past values only and gives 8 new ones a request; without one, the TPE.",
            paper="arXiv:2309.03409",
        ),
        Card(
            name="hpo_llama",
            target="autoagent.search.samplers.hpo_llama:build",
            summary="A dialogue with a language model, on validation results only; without one, the TPE.",
            paper="arXiv:2402.15351",
        ),
        Card(
            name="automl_gpt",
            target="autoagent.search.samplers.automl_gpt:build",
            summary="A language model proposes by the training log that it predicts; without one, the TPE.",
            paper="arXiv:2305.02499",
        ),
    ],
)
