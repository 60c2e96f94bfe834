"""Forecasts of the series that statsmodels bundles: a run of ours against the seasonal naive, AutoETS and AutoTheta.

    python benchmarks/train_series.py run WORK [--trials 12] [--only NAME ...]      our runs, with the project's Python
    PEER/bin/python benchmarks/train_series.py peers WORK                           a Python that has statsforecast
    python benchmarks/train_series.py table WORK > results.md

Every method forecasts the same sealed windows, each from all the values before its origin, and is measured by the same
scale: the mean absolute seasonal difference before the first sealed point. Ours is trained once, before the first
sealed point; the peers are fitted again at every origin.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from autoagent.runs.state import RunState

METHODS = ("ours", "SeasonalNaive", "AutoETS", "AutoTheta")


def quarterly(frame: pd.DataFrame) -> pd.DatetimeIndex:
    text = frame["year"].astype(int).astype(str) + "Q" + frame["quarter"].astype(int).astype(str)
    return pd.PeriodIndex(text, freq="Q").to_timestamp()


def tables() -> dict[str, tuple[pd.DataFrame, str, list[str], int]]:
    """Return for each set its table, the request, its key columns and the season."""
    from statsmodels import datasets as sm

    co2 = sm.co2.load_pandas().data.rename_axis("date").reset_index()
    monthly = co2.set_index("date")["co2"].resample("MS").mean().rename_axis("month").reset_index()
    nino = sm.elnino.load_pandas().data.melt("YEAR", var_name="m", value_name="temperature")
    nino["month"] = pd.to_datetime(nino["YEAR"].astype(int).astype(str) + "-" + nino["m"].str.title(), format="%Y-%b")
    macro = sm.macrodata.load_pandas().data
    macro.insert(0, "date", quarterly(macro))
    rates = sm.interest_inflation.load_pandas().data
    rates.insert(0, "date", quarterly(rates))
    danish = sm.danish_data.load_pandas().data
    danish = danish.rename_axis("date").reset_index()
    births = sm.fertility.load_pandas().data.drop(columns=["Country Code", "Indicator Name", "Indicator Code"])
    births = births.dropna(axis=1, how="all").dropna()  # whole series only: the peers know no gaps
    births = births.melt("Country Name", var_name="year", value_name="rate").rename(columns={"Country Name": "country"})
    births = births.assign(year=births["year"].astype(int))
    firms = sm.grunfeld.load_pandas().data
    quarter = "forecast every column, the next 8 quarters, MASE"
    return {
        "co2 weekly": (co2, "forecast co2 for the next 13 weeks, MASE", [], 52),
        "co2 monthly": (monthly, "forecast co2 for the next 12 months, MASE", [], 12),
        "el nino": (
            nino.sort_values("month")[["month", "temperature"]],
            "forecast temperature for the next 12 months, MASE",
            [],
            12,
        ),
        "births": (births, "forecast rate for every country, 3 steps ahead, MASE", ["country"], 1),
        "sunspots": (sm.sunspots.load_pandas().data, "forecast SUNACTIVITY 11 steps ahead, season of 11, MASE", [], 11),
        "nile": (sm.nile.load_pandas().data, "forecast volume 5 steps ahead, MASE", [], 1),
        "macro": (
            macro[["date", "realgdp", "realcons", "realinv", "cpi", "m1", "tbilrate", "unemp", "infl"]],
            quarter,
            [],
            4,
        ),
        "rates": (rates[["date", "Dp", "R"]], quarter, [], 4),
        "danish": (
            danish[["date", "lrm", "lry", "lpy", "ibo", "ide"]],
            "forecast every column, the next 4 quarters, MASE",
            [],
            4,
        ),
        "firms": (
            firms[["firm", "year", "invest"]],
            "forecast invest for every firm, 3 steps ahead, MASE",
            ["firm"],
            1,
        ),
    }


def run(work: Path, trials: int, only: list[str], seed: int) -> None:
    """Run ours on every set and keep what the peers need."""
    import autoagent

    for name, (table, request, keys, season) in tables().items():
        if only and name not in only:
            continue
        began = time.monotonic()
        done = autoagent.run(table, request, max_trials=trials, workers=1, seed=seed, out=work / "runs")
        test = json.loads((done.folder.root / "test.json").read_text(encoding="utf-8"))
        plan = json.loads(done.folder.plan.read_text(encoding="utf-8"))
        framing = plan["series"]["framing"]
        if framing["seasons"][0] != season:
            raise SystemExit(f"{name}: the season is {framing['seasons'][0]}, not {season}")
        wide = framing["wide"]
        rows = (
            table.melt([framing["time"]], wide, "series", "value")
            if wide
            else table.rename(columns={framing["target"]: "value"})
        )
        rows["series"] = rows["series"] if wide else rows[keys[0]].astype(str) if keys else ""
        rows = rows.sort_values(framing["time"])[["series", "value"]]
        facts = {
            "set": name,
            "season": season,
            "horizon": framing["horizon"],
            "tests": plan["series"]["tests"],
            "grid": framing["grid"],
            "seconds": time.monotonic() - began,
            "trials": trials,
            "seed": seed,
            "families": {str(n): done.state.trials[n].family for n, _ in done.state.selection.members}
            if done.state.selection
            else {},
            "validation": test["validation"],
            "by_family": best_by_family(done.state),
            "forecasts": {key: test["forecasts"][key] for key in ("total", "naive", "coverage", "series")},
        }
        safe = name.replace(" ", "_") + f"_{seed}"
        (work / f"{safe}.json").write_text(json.dumps(facts), encoding="utf-8")
        rows.to_csv(work / f"{safe}.csv", index=False)
        sys.stderr.write(
            f"{name}: {facts['forecasts']['total']['mase']:.3f} (naive {facts['forecasts']['naive']['mase']:.3f})\n"
        )


def best_by_family(state: RunState) -> dict[str, float]:
    found: dict[str, float] = {}
    for trial in state.trials.values():
        if trial.score is not None:
            found[trial.family] = min(found.get(trial.family, np.inf), -trial.score)
    return found


def peers(work: Path) -> None:
    """Fit the peers at every origin of the same windows."""
    from statsforecast.models import AutoETS, AutoTheta, SeasonalNaive

    warnings.simplefilter("ignore")
    for path in sorted(work.glob("*.json")):
        if path.name.endswith("_peers.json") or path.with_name(path.stem + "_peers.json").exists():
            continue
        facts = json.loads(path.read_text(encoding="utf-8"))
        frame = pd.read_csv(path.with_suffix(".csv"), dtype={"series": str}, keep_default_na=True)
        frame["series"] = frame["series"].fillna("")
        m, H = facts["season"], facts["horizon"]
        rows: dict[str, list[float]] = {name: [] for name in METHODS[1:]}
        by_series: dict[str, dict[str, float]] = {}
        refused = 0
        for series, part in frame.groupby("series"):
            values = part["value"].to_numpy(dtype=float)
            values = values[: np.flatnonzero(~np.isnan(values))[-1] + 1]
            if len(values) < max(m, 3) + 1 + 3 * H or np.isnan(values).mean() > 0.5:
                continue  # ours neither trains nor tests such a series
            cut = len(values) - facts["tests"] * H
            gaps = np.abs(values[m:cut] - values[: cut - m])
            scale = float(np.nanmean(gaps)) or 1.0
            filled = pd.Series(values).ffill().bfill().to_numpy()
            own: dict[str, list[float]] = {name: [] for name in METHODS[1:]}
            for origin in range(cut, len(values), H):
                for name, build in (("SeasonalNaive", SeasonalNaive), ("AutoETS", AutoETS), ("AutoTheta", AutoTheta)):
                    # AutoETS of statsforecast knows no season longer than 24; then it is fitted without one
                    season = 1 if name == "AutoETS" and m > 24 else m
                    try:
                        mean = build(season_length=season).forecast(y=filled[:origin], h=H)["mean"]
                    except NotImplementedError:  # AutoETS refuses the shortest series; the naive forecast stands in
                        mean = SeasonalNaive(season_length=m).forecast(y=filled[:origin], h=H)["mean"]
                        refused += 1
                    truth = values[origin : origin + H]
                    own[name] += (np.abs(truth - mean[: len(truth)])[~np.isnan(truth)] / scale).tolist()
            by_series[str(series)] = {name: float(np.mean(miss)) for name, miss in own.items()}
            for name in rows:
                rows[name] += own[name]
        out = {
            "total": {name: float(np.mean(miss)) for name, miss in rows.items()},
            "series": by_series,
            "refused": refused,
        }
        path.with_name(path.stem + "_peers.json").write_text(json.dumps(out), encoding="utf-8")
        sys.stderr.write(f"{facts['set']}: {out['total']}\n")


def table(work: Path) -> None:
    """Print the rows of the results."""
    print("| set | series | origins x steps | ours | naive | AutoETS | AutoTheta | 80 % interval holds | delivered |")
    print("|---|---|---|---|---|---|---|---|---|")
    ratios: dict[str, list[float]] = {name: [] for name in METHODS[1:]}
    for path in sorted(work.glob("*_peers.json")):
        theirs = json.loads(path.read_text(encoding="utf-8"))
        facts = json.loads(path.with_name(path.name.replace("_peers", "")).read_text(encoding="utf-8"))
        ours, total = facts["forecasts"], theirs["total"]
        cells = [ours["total"]["mase"], total["SeasonalNaive"], total["AutoETS"], total["AutoTheta"]]
        least = min(cells)
        shown = [f"**{cell:.3f}**" if cell == least else f"{cell:.3f}" for cell in cells]
        families = ", ".join(sorted(set(facts["families"].values())))
        print(
            f"| {facts['set']} | {len(ours['series'])} | {facts['tests']} x {facts['horizon']} | "
            f"{' | '.join(shown)} | {ours['coverage']:.0%} | {families} |"
        )
        for name in ratios:
            ratios[name].append(cells[0] / total[name])
    for name, values in ratios.items():
        better = sum(value < 1 for value in values)
        ratio = np.exp(np.mean(np.log(values)))
        print(f"\nAgainst {name}: better on {better} of {len(values)} sets; geometric mean of the ratio {ratio:.3f}.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["run", "peers", "table"])
    parser.add_argument("work", type=Path)
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=[])
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    if options.what == "run":
        run(options.work, options.trials, options.only, options.seed)
    elif options.what == "peers":
        peers(options.work)
    else:
        table(options.work)


if __name__ == "__main__":
    main()
