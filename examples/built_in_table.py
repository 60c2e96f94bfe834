"""A sentence and a built-in table in, a measured model out; three trials, no key, no network."""

import tempfile

from sklearn.datasets import load_wine

import autoagent

with tempfile.TemporaryDirectory() as out:
    result = autoagent.run("wine", "classify the cultivar, accuracy, only linear models", max_trials=3, out=out)
    print(f"{result.metric} {result.score:.3f} on sealed rows, interval {result.interval}")
    print(result.model.predict(load_wine(as_frame=True).data.head(3)))
