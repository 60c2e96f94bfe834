"""The files of a run that the report reads, as it reads them: leniently, and only what it shows."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class _Part(BaseModel):
    """A file of another module, read leniently: a newer file may say more than we show."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Asked(_Part):
    """A key that is still open, and the question."""

    key: str
    text: str


class Understood(_Part):
    """``spec.json``."""

    request: str = ""
    spec: dict[str, Any] = Field(default_factory=dict)
    evidence: dict[str, str] = Field(default_factory=dict)
    inferred: dict[str, str] = Field(default_factory=dict)
    assumptions: list[str] = Field(default_factory=list)
    questions: list[Asked] = Field(default_factory=list)
    notices: list[str] = Field(default_factory=list)


class Column(_Part):
    """One column of ``card.json``."""

    name: str
    role: str = ""
    dtype: str = ""
    n_missing: int = 0
    n_unique: int = 0
    examples: list[str] = Field(default_factory=list)


class TableCard(_Part):
    """``card.json``."""

    name: str = "table"
    n_rows: int = 0
    n_duplicates: int = 0
    columns: list[Column] = Field(default_factory=list)
    target: str = ""
    task: str = ""
    target_summary: dict[str, float] = Field(default_factory=dict)
    notes: list[str] = Field(default_factory=list)


class Leak(_Part):
    """One row of ``leaks.json``."""

    kind: str
    column: str = ""
    severity: str = "low"
    message: str = ""


class SplitFacts(_Part):
    """``split.json``."""

    kind: str = ""
    sha256: str = ""
    n_train: int = 0
    n_test: int = 0
    n_folds: int = 0
    test_sha256: str = ""


class Plan(_Part):
    """``plan.json``."""

    task: str = ""
    target: str = ""
    metric: str = ""
    families: list[Any] = Field(default_factory=list)
    n_folds: int | None = None
    n_workers: int | None = None
    threads: int | None = None
    limits: dict[str, float | None] = Field(default_factory=dict)
    reasons: list[str] = Field(default_factory=list)


class Confusion(_Part):
    """Counts of true (rows) and predicted (columns) classes."""

    labels: list[Any]
    matrix: list[list[float]]


class Residuals(_Part):
    """Some test rows: the true value and the predicted one."""

    y: list[float]
    prediction: list[float]


class Calibration(_Part):
    """Predicted and observed frequency, by bin."""

    mean_predicted: list[float]
    observed: list[float]
    count: list[float]


class ForecastErrors(_Part):
    """Mean errors of some forecasts; MASE and RMSSE in units of the series, MAE in the target's."""

    mase: float | None = None
    rmsse: float | None = None
    smape: float | None = None
    mae: float | None = None


class SeriesErrors(ForecastErrors):
    """The same of one series."""

    series: str
    n: int = 0
    naive_mase: float | None = None
    coverage: float = 0.0


class StepErrors(_Part):
    """The error so many steps ahead."""

    step: int
    mase: float
    naive_mase: float
    coverage: float = 0.0


class Drawn(_Part):
    """One series: its end before the sealed part, and its sealed windows, each beginning at one of ``starts``."""

    series: str
    past: list[float | None] = Field(default_factory=list)
    starts: list[int] = Field(default_factory=list)
    time: list[str]
    actual: list[float]
    forecast: list[float]
    low: list[float]
    high: list[float]


class Forecasts(_Part):
    """What the sealed windows of series came to."""

    total: ForecastErrors
    naive: ForecastErrors
    coverage: float
    n_series: int = 0
    n_windows: int = 0
    season: int = 1
    quantiles: list[float] = Field(default_factory=list)
    pinball: dict[str, float] = Field(default_factory=dict)
    series: list[SeriesErrors] = Field(default_factory=list)
    steps: list[StepErrors] = Field(default_factory=list)
    drawn: list[Drawn] = Field(default_factory=list)


class Test(_Part):
    """``test.json``."""

    metric: str = ""
    direction: str | None = None
    score: float | None = None
    interval: list[float] | None = None
    n_rows: int | None = None
    validation: float | None = None
    optimism: float | None = None
    baseline_score: float | None = None
    confusion: Confusion | None = None
    residuals: Residuals | None = None
    forecasts: Forecasts | None = None
    calibration: Calibration | None = None


class LimitCheck(_Part):
    """One stated limit beside what was measured on the delivered model."""

    key: str
    limit: Any = None
    measured: Any = None
    ok: bool | None = None


class Export(_Part):
    """``export.json``."""

    model_bytes: float | None = None
    latency_ms_p50: float | None = None
    latency_ms_p99: float | None = None
    max_onnx_difference: float | None = None
    n_members: int | None = None
    limits: list[LimitCheck] = Field(default_factory=list)


class TrainingFacts(_Part):
    """What a fold's learner said of its optim, in a trial's journal event."""

    optim: str
    state_bytes: int
    values_by_bits: dict[str, int] = Field(default_factory=dict)
    kernels: list[str] = Field(default_factory=list)
    note: str = ""


class TrialCurve(_Part):
    """The part of a trial's ``result.json`` that the report shows."""

    curve: list[list[float | None]] | None = None
