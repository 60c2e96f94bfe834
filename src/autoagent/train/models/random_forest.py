"""Random forest."""

from __future__ import annotations

from collections.abc import Mapping

from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from autoagent.space import JSONScalar
from autoagent.train.forest import Forest, forest_options


def build(config: Mapping[str, JSONScalar]) -> Forest:
    """Return the learner of a legal configuration."""
    return Forest(RandomForestClassifier, RandomForestRegressor, dict(config), forest_options(config))
