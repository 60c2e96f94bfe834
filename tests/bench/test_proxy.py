"""A proxy ranks configurations as the benchmark that it stands for, with noise that tuning and test do not share."""

from __future__ import annotations

import random
from functools import cache

import numpy as np
import pytest
from scipy.stats import spearmanr

from autoagent.bench.protocol import ProtocolError, SeedPlan
from autoagent.bench.proxy import Proxy
from autoagent.bench.sklearn_tasks import SklearnTask
from autoagent.bench.tasks import task
from autoagent.errors import UserError
from autoagent.space import Float, Param, Space

PLAN = SeedPlan((0, 1), (1000,))


@cache
def packaged() -> Proxy:
    found = task("proxy_svm_diabetes")
    assert isinstance(found, Proxy)
    return found


def test_the_packaged_proxy_ranks_new_configurations_as_the_real_task_does() -> None:
    proxy, real, rng = packaged(), SklearnTask("diabetes", "svm"), random.Random(99)
    configs = [proxy.space.sample(rng) for _ in range(40)]
    losses = [real.evaluate(config, 0, PLAN.tuning).loss for config in configs]
    assert spearmanr([proxy.truth(config) for config in configs], losses).statistic > 0.6


def test_it_is_a_benchmark_with_ends_and_noise_of_its_seed() -> None:
    proxy = packaged()
    config = proxy.space.sample(random.Random(1))
    first, again, other = (proxy.evaluate(config, seed, PLAN.tuning).loss for seed in (0, 0, 1))
    assert first == again != other
    assert proxy.optimum < proxy.median
    with pytest.raises(ProtocolError):
        proxy.evaluate(config, 1000, PLAN.tuning)


def test_it_says_how_far_it_can_be_trusted() -> None:
    space, rng = Space({"x": Param(Float(0.0, 1.0), 0.5)}), np.random.default_rng(0)
    configs = tuple({"x": float(x)} for x in rng.random(25))
    smooth = np.array([(float(str(config["x"])) - 0.3) ** 2 for config in configs])
    assert Proxy("smooth", space, configs, smooth).agreement() > 0.9
    assert Proxy("noise", space, configs, rng.random(25)).agreement() < 0.5


def test_too_few_configurations_make_no_proxy() -> None:
    space = SklearnTask("diabetes", "svm").space
    with pytest.raises(UserError, match="at least 20"):
        Proxy("few", space, ({},) * 5, np.ones(5))
