"""Turn the rows of a tabular comparison into mean ranks, scores with intervals, and wins, ties and losses of ours."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

Rows = list[dict[str, Any]]


def interval(values: np.ndarray, *, draws: int = 4000) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of the mean."""
    picks = np.random.default_rng(0).integers(0, len(values), (draws, len(values)))
    low, high = np.percentile(values[picks].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def ranks(scores: pd.DataFrame) -> pd.Series:
    """Return the mean rank of each system; a failure shares the last place."""
    filled = scores.fillna(-np.inf)
    return filled.rank(axis=1, ascending=False, method="average").mean().sort_values()


def verdicts(scores: pd.DataFrame, tried: pd.DataFrame) -> pd.DataFrame:
    """Compare ours with each peer per table on the seeds that both have tried.

    A win or a loss has an interval without zero, from at least three seeds; a failure on one side decides by itself.
    """
    rows = []
    for peer in (name for name in scores.columns if name != "ours"):
        both = tried[["ours", peer]].notna().all(axis=1).reindex(scores.index, fill_value=False)
        for table, part in scores.loc[both, ["ours", peer]].groupby(level="table"):
            whole = part.dropna()
            gap = (whole["ours"] - whole[peer]).to_numpy()
            low, high = interval(gap) if len(gap) > 2 else (np.nan, np.nan)
            row = {"peer": peer, "table": table, "seeds": len(gap), "gap": gap.mean() if len(gap) else np.nan}
            rows.append({**row, "low": low, "high": high, "verdict": _verdict(part, low, high)})
    return pd.DataFrame(rows)


def _verdict(part: pd.DataFrame, low: float, high: float) -> str:
    ours, peer = part.isna().sum()
    if ours != peer:
        return "loss (ours failed)" if ours > peer else "win (peer failed)"
    if np.isnan(low):
        return "too few seeds"
    return "win" if low > 0 else "loss" if high < 0 else "tie"


def print_standing(rows: Rows) -> None:
    """Print everything, per budget. Scores are higher-is-better: an RMSE is shown negated."""
    if not rows:
        print("no results")
        return
    frame = pd.DataFrame(rows)
    for budget, part in frame.groupby("budget_s"):
        # A run that another system has not done yet is left out of the ranks; one that failed is in.
        wide = part.pivot_table(index=["table", "seed"], columns="system", values="score", dropna=False)
        tried = part.assign(n=1).pivot_table(index=["table", "seed"], columns="system", values="n")
        whole = wide.loc[tried.dropna().index]
        print(f"\n## budget {budget:g} s: {len(whole)} tables x seeds that every system has tried")
        summary = pd.DataFrame({"mean_rank": ranks(whole)}) if len(whole) else pd.DataFrame()
        seconds = part.groupby("system").agg(
            fit_s_median=("fit_s", "median"),
            fit_s_max=("fit_s", "max"),
            wall_s_max=("wall_s", "max"),
            failed=("score", lambda s: s.isna().sum()),
        )
        print(summary.join(seconds, how="outer").sort_values("mean_rank" if len(summary) else "failed").to_string())
        _print_scores(part)
        if "ours" in wide.columns and len(wide.columns) > 1:
            found = verdicts(wide, tried)
            print("\nours minus peer, mean over seeds, 95 % bootstrap interval over seeds")
            print(found.to_string(index=False, float_format=lambda v: f"{v:.4g}"))
            print(found.groupby("peer")["verdict"].value_counts().unstack(fill_value=0).to_string())
    failures = frame[frame["error"] != ""]
    if len(failures):
        print(f"\nfailures\n{failures[['system', 'table', 'seed', 'budget_s', 'error']].to_string(index=False)}")


def _print_scores(part: pd.DataFrame) -> None:
    rows = []
    for (table, metric, system), one in part.dropna(subset=["score"]).groupby(["table", "metric", "system"]):
        low, high = interval(one["score"].to_numpy())
        shown = f"{one['score'].mean():.4f} [{low:.4f}, {high:.4f}]"
        rows.append({"table": table, "metric": metric, "system": system, "score": shown})
    print("\nmean over seeds, 95 % bootstrap interval over seeds")
    print(pd.DataFrame(rows).pivot(index=["table", "metric"], columns="system", values="score").to_string())
