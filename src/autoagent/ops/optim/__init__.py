"""The optims, by name: what is known of each without importing it."""

from __future__ import annotations

from autoagent.registry import Card, Family

_PLACE = "autoagent.ops.optim"

OPS_OPTIMS: Family[Card] = Family(
    "ops optim",
    [
        Card(name, f"{_PLACE}.{name}:{attribute}", summary, paper=paper)
        for name, attribute, summary, paper in (
            ("adamw", "AdamW", "Adam with decoupled weight decay.", "arXiv:1711.05101"),
            ("adam", "Adam", "Adam with L2 regularisation.", "arXiv:1412.6980"),
            ("nadamw", "NAdamW", "AlgoPerf's AdamW with Nesterov's look-ahead.", "openreview:OM0jvwB8jIp57ZJjtNEZ"),
            ("sgd", "SGD", "SGD with momentum.", "doi:10.1214/aoms/1177729586"),
            ("lion", "Lion", "The sign of an interpolated momentum.", "arXiv:2302.06675"),
            ("adagrad", "Adagrad", "Steps divided by the root of summed squares.", "jmlr.org/papers/v12/duchi11a"),
            ("rmsprop", "RMSprop", "Steps divided by the root of the mean square.", "arXiv:1308.0850"),
            ("muon", "Muon", "Orthogonalized momentum of matrices.", "https://kellerjordan.github.io/posts/muon/"),
            ("adahessian", "AdaHessian", "Momentum over the averaged Hessian diagonal.", "arXiv:2006.00719"),
            ("ademamix", "AdEMAMix", "Adam with a second, slower momentum.", "arXiv:2409.03137"),
        )
    ],
)
