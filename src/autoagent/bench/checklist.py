"""What a report must state before it is complete; what is missing is named and the report says INCOMPLETE.

Source of the items: the checklist of arXiv:2306.01324, and for language models the controls for memory and for cost.
"""

from __future__ import annotations

from dataclasses import dataclass

from autoagent.bench.protocol import LEAST_SEARCHES
from autoagent.bench.standing import Standing
from autoagent.registry import family

_BASELINES = ("random", "tpe", "gp")


@dataclass(frozen=True)
class Item:
    """One thing that must be stated.

    Attributes:
        what: in a few words.
        value: as the report prints it; empty is missing.
        why: what is missing, when it is.
    """

    what: str
    value: str
    why: str = ""

    @property
    def is_there(self) -> bool:
        """Whether it is stated."""
        return not self.why


def checklist(standing: Standing) -> list[Item]:
    """Return every item, those that are missing included."""
    return [
        *_seeds(standing),
        *_arms(standing),
        *_models(standing),
        _data(standing),
        *_provenance(standing),
    ]


def verdict(items: list[Item]) -> str:
    """Return ``complete``, or ``INCOMPLETE`` with what is missing."""
    missing = [item for item in items if not item.is_there]
    return "complete" if not missing else "INCOMPLETE: " + "; ".join(f"{item.what}: {item.why}" for item in missing)


def _seeds(standing: Standing) -> list[Item]:
    settings, count = standing.settings, len(standing.seeds)
    few = f"{count} of at least {LEAST_SEARCHES}; no claim rests on fewer" if count < LEAST_SEARCHES else ""
    gone = f"{len(standing.missing)} cells were not run" if standing.missing else ""
    return [
        Item("tuning seeds", ", ".join(map(str, settings["tune_seeds"]))),
        Item("test seeds, apart from them", ", ".join(map(str, settings["test_seeds"]))),
        Item("search seeds", str(count), few),
        Item("cells", f"{len(standing.records)} run", gone),
        Item("trials of a search", str(standing.trials)),
    ]


def _arms(standing: Standing) -> list[Item]:
    samplers = {arm.name.partition(" #")[0] if " #" in arm.name else arm.sampler for arm in standing.every_arm.values()}
    without = [name for name in _BASELINES if name not in samplers]
    references = [name for name in ("default", "random_twice") if name not in standing.references]
    settings = "; ".join(
        f"{arm.sampler} {dict(arm.options)}" if arm.options else arm.sampler for arm in standing.every_arm.values()
    )
    return [
        Item("baselines", ", ".join(_BASELINES), f"{', '.join(without)} not compared" if without else ""),
        Item(
            "default configuration, and random search with twice the trials",
            ", ".join(standing.references),
            f"{', '.join(references)} not run" if references else "",
        ),
        Item("samplers and their settings", settings),
    ]


def _models(standing: Standing) -> list[Item]:
    found = []
    for name, arm in standing.every_arm.items():
        if not arm.llm or arm.disguised:
            continue
        twin = f"{name} (disguised)"
        ran = any(key[1] == twin and not record.error for key, record in standing.records.items())
        cost = standing.cost(name)
        found += [
            Item(f"{name}: model", arm.llm),
            Item(
                f"{name}: control for what the model remembers",
                twin if ran else "",
                "" if ran else "the same search on the task in disguise was not run",
            ),
            Item(
                f"{name}: tokens",
                f"{cost.llm_calls} calls, {cost.prompt_tokens} + {cost.completion_tokens} tokens",
                "the server does not count them" if cost.llm_calls and not cost.prompt_tokens else "",
            ),
            Item(
                f"{name}: dollars",
                "" if cost.cost_usd is None else f"${cost.cost_usd:.4f}",
                "the price of the model is unknown" if cost.cost_usd is None else "",
            ),
        ]
    return found


def _data(standing: Standing) -> Item:
    divided = []
    for name in standing.tasks:
        rows = getattr(standing.benchmark(name), "rows", None)
        if rows is not None:
            divided.append(f"{name} {rows.sha256}")
    return Item("division of the data", "; ".join(divided) or "no task has rows: exact functions and tables")


def _provenance(standing: Standing) -> list[Item]:
    settings = standing.settings
    versions = ", ".join(f"{name} {number}" for name, number in settings.get("versions", {}).items())
    threads = str(settings.get("threads", ""))
    known = sorted(set(family("samplers")) & {arm.sampler for arm in standing.every_arm.values()})
    return [
        Item("versions", versions, "" if versions else "not recorded"),
        Item("machine", str(settings.get("machine", "")), "" if settings.get("machine") else "not recorded"),
        Item("threads", threads, "" if threads else "not recorded"),
        Item("sources of the samplers", "; ".join(f"{name}: {family('samplers')[name].paper}" for name in known)),
    ]
