"""Search the structure of a pipeline, not only its numbers: which steps, how many of them, and the settings of each.

A tree says what a pipeline may be: perhaps a scaler, up to two feature maps, one of four classifiers. One pipeline is
a list of decisions, as JSON: it replays to exactly the same pipeline, and a language model can write one. The search is
an ordinary Optuna study with our sampler; the rows of the test are looked at once, at the end. Needs no key.
"""

import json
import random

import optuna
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.feature_selection import SelectKBest
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import RidgeClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from autoagent.search import trees
from autoagent.search.samplers.smbo import build
from autoagent.search.trees import Block, Choice, Optional, Repeat, Seq, Value
from autoagent.space import Float, Int

TRIALS = 40

feature = Choice(
    pca=Block("pca", n_components=Value(Int(4, 40, log=True))),
    select=Block("select", k=Value(Int(4, 40, log=True))),
    kernel=Block("kernel", gamma=Value(Float(1e-3, 1.0, log=True)), n_components=Value(Int(20, 100, log=True))),
)
classifier = Choice(
    tree=Block("tree", max_depth=Value(Int(2, 12))),
    bayes=Block("bayes"),
    neighbours=Block("neighbours", n_neighbors=Value(Int(1, 15))),
    ridge=Block("ridge", alpha=Value(Float(1e-3, 1e3, log=True))),
)
tree = trees.Tree(
    Seq(scale=Optional(Block("scale")), features=Repeat(feature, 0, 2), classifier=classifier), name="pipe"
)

# One maker for each block; with torch they would be layers, and `join` would be nn.Sequential.
makers = {
    "scale": StandardScaler,
    "pca": lambda n_components: PCA(n_components, random_state=0),
    "select": SelectKBest,
    "kernel": lambda **settings: Nystroem(random_state=0, **settings),
    "tree": lambda max_depth: DecisionTreeClassifier(max_depth=max_depth, random_state=0),
    "bayes": lambda: GaussianNB(var_smoothing=1e-3),
    "neighbours": KNeighborsClassifier,
    "ridge": RidgeClassifier,
}

pixels, digits = load_digits(return_X_y=True)
order = random.Random(0).sample(range(len(digits)), 1200)
train, valid, test = order[:300], order[300:600], order[600:]
pixels = pixels[:, pixels[train].std(axis=0) > 0] / 16


def error(decisions: trees.Decisions, rows: list[int]) -> float:
    pipeline = tree.build(decisions, makers, join=lambda steps: make_pipeline(*steps))
    pipeline.fit(pixels[train], digits[train])
    return 1 - pipeline.score(pixels[rows], digits[rows])


def objective(trial: optuna.Trial) -> float:
    decisions = tree.suggest(trial).decisions
    try:
        return error(decisions, valid)
    except (ValueError, UserWarning) as failed:  # more components than columns are left: a structure that cannot be
        raise optuna.TrialPruned from failed


optuna.logging.set_verbosity(optuna.logging.WARNING)
study = optuna.create_study(sampler=build(seed=0, space=tree), study_name="structures")
study.optimize(objective, n_trials=TRIALS)
best = study.best_trial.params

plain = tree.default()
print(f"validation error: {error(plain, valid):.3f} for the plainest pipeline, {study.best_value:.3f} for the best")
print(f"test error: {error(plain, test):.3f} and {error(best, test):.3f}, after {TRIALS} trials")
written = json.dumps(trees.to_json(best))
print(f"its decision list: {written}")
again = trees.from_json(tree, json.loads(written))
print(f"replayed from the text, it is the same: {tree.key(again) == tree.key(best)}")

# What a model wrote, with two slips: it is told what to mend, or the list is repaired.
slips = [
    {"decision": "pipe/scale?", "value": True},
    {"decision": "pipe/features*", "value": 1},
    {"decision": "pipe/features[0]", "value": "pca"},
    {"decision": "pipe/features[0]=pca/n_components", "value": 400},
    {"decision": "pipe/classifier", "value": "Ridge"},
    {"decision": "pipe/classifier=ridge/alpha", "value": 1.0},
]
print(trees.repair_message(trees.faults(tree, slips)))
repaired, changes = trees.repair(tree, slips, random.Random(0))
print(f"repaired: {'; '.join(changes)}; validation error {error(repaired, valid):.3f}")
