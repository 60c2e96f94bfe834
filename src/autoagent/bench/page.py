"""Write the page of a comparison: one file that needs nothing but itself."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from autoagent.bench import lottery, plots
from autoagent.bench.checklist import checklist, verdict
from autoagent.bench.standing import Standing, checkpoints
from autoagent.report import wording


def write_page(standing: Standing, path: Path) -> Path:
    """Write the page and return its path."""
    unfinished = path.with_suffix(".tmp")
    unfinished.write_text(render(standing), encoding="utf-8")
    unfinished.replace(path)
    return path


def render(standing: Standing) -> str:
    """Return the page."""
    environment = Environment(
        loader=ChoiceLoader([PackageLoader("autoagent.bench"), PackageLoader("autoagent.report")]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"score": wording.score, "number": wording.number}
    environment.filters |= {"duration": wording.duration, "dollars": wording.dollars}
    items = checklist(standing)
    spreads = lottery.spreads(standing)
    shown = [*standing.mean_ranks, *standing.references]
    colours = {name: place % 10 for place, name in enumerate(shown)}
    return environment.get_template("bench.html.j2").render(
        standing=standing,
        title=_title(standing.arms if not spreads else [row.sampler for row in spreads]),
        items=items,
        verdict=verdict(items),
        tiles=tiles(standing),
        spreads=spreads,
        lottery=plots.lottery_strip(spreads) if spreads else None,
        lottery_words=lottery_words(standing),
        rank_plot=plots.rank_line(standing.mean_ranks, colours, standing.critical_difference),
        rank_words=rank_words(standing),
        colours=colours,
        curves=_curves(standing, colours),
        checkpoints=checkpoints(standing.trials),
        regret_rows=regret_rows(standing),
        pairs=standing.pairs,
        shown=shown,
        task_rows=_task_rows(standing, shown),
        budgets=[{"arm": arm, "cost": standing.cost(arm), "crashes": standing.crashes(arm)} for arm in shown],
        adequacy=standing.adequacy(),
    )


def _title(names: list[str]) -> str:
    return f"{', '.join(names[:6])}{' …' if len(names) > 6 else ''}"


def tiles(standing: Standing) -> list[dict[str, str]]:
    """Return what stands at the head of the page."""
    best, rank = next(iter(standing.mean_ranks.items()))
    near = [c for c in standing.pairs if best in (c.first, c.second)]
    apart = [c for c in near if c.p_value < 0.05 and c.difference.tells_apart]
    cost = [standing.cost(arm) for arm in standing.arms]
    return [
        {"name": "best mean rank", "value": best, "note": f"{rank:.2f} of {len(standing.arms)}"},
        {"name": "told apart from", "value": f"{len(apart)} of {len(near)}", "note": "others, by pairs"},
        {
            "name": "searches",
            "value": wording.number(len(standing.records)),
            "note": f"{len(standing.missing)} missing",
        },
        {
            "name": "language model",
            "value": wording.number(sum(c.llm_calls for c in cost)),
            "note": "calls",
        },
    ]


def rank_words(standing: Standing) -> str:
    """Say what the ranks are of, and whether they differ."""
    said = "Mean over tasks of the mean rank over seeds, by the final regret; 1 is best."
    if standing.critical_difference is None:
        return f"{said} A critical difference needs at least 10 tasks; here are {len(standing.tasks)}."
    p = standing.friedman
    test = "" if p is None else f" Friedman's test: p = {p:.2g}."
    return f"{said}{test} Bars join methods within Nemenyi's critical difference at 5 %."


def lottery_words(standing: Standing) -> str:
    """Say whether a sampler's settings matter more than the choice of the sampler."""
    rows = lottery.spreads(standing)
    if len(rows) < 2:
        return ""
    within, between = float(np.median([row.within for row in rows])), lottery.between(rows)
    which = "at least as much as" if within >= between else "less than"
    return (
        f"A sampler's own settings move its regret by {within:.3f} (median standard deviation over settings), {which} "
        f"the choice of the sampler does ({between:.3f} over samplers under their declared settings)."
    )


def regret_rows(standing: Standing) -> list[dict[str, Any]]:
    """Return regrets of every method after some numbers of trials, best rank first."""
    rows = []
    for arm in [*standing.mean_ranks, *standing.references]:
        ats = checkpoints(standing.trials)
        rank = standing.mean_ranks.get(arm)
        rows.append(
            {
                "arm": arm,
                "regrets": [standing.summary(arm, at)[0] for at in ats],
                "middle": standing.summary(arm, standing.trials)[1],
                "rank": "not ranked" if rank is None else f"{rank:.2f}",
                "optimism": standing.optimism(arm),
            }
        )
    return rows


def _curves(standing: Standing, colours: dict[str, int]) -> list[Markup]:
    shown = list(colours) if len(colours) <= 12 else list(colours)[:12]
    by_trial = {arm: list(enumerate(standing.mean_curve(arm).tolist(), start=1)) for arm in shown}
    seconds = {arm: standing.against(arm, "seconds") for arm in standing.arms if arm in shown}
    drawn = [
        plots.regret_curves(by_trial, colours, x_label="trial", whole=True),
        plots.regret_curves(seconds, colours, x_label="seconds of evaluating and proposing", whole=False),
    ]
    if any(standing.cost(arm).cost_usd for arm in standing.arms):
        spent = {arm: standing.against(arm, "cost_usd") for arm in standing.arms if arm in shown}
        drawn.append(plots.regret_curves(spent, colours, x_label="dollars for the language model", whole=False))
    return [plot for plot in drawn if plot]


def _task_rows(standing: Standing, shown: list[str]) -> list[dict[str, Any]]:
    tables = {arm: standing.finals(arm) for arm in shown}
    return [
        {
            "name": name,
            "scale": standing.scales[name],
            "regrets": [_mean(tables[arm][place]) for arm in shown],
        }
        for place, name in enumerate(standing.tasks)
    ]


def _mean(values: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else math.nan


def _visible(value: object) -> object:
    return wording.visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
