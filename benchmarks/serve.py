"""Load and fuzz `autoagent serve`: requests a second and p99 with wrk, schemathesis from the endpoint's own OpenAPI.

python benchmarks/serve.py [--seconds 10] [--connections 1 16] [--fuzz SCHEMATHESIS] [--examples 200] [--out FILE]

Schemathesis runs from an environment of its own (`pip install "schemathesis>=4,<5"`): it is no dependency of ours.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

import autoagent
from autoagent.data.readers import read_table

LUA = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local file = io.open("{body}")
wrk.body = file:read("*a")
file:close()
function done(summary, latency, requests)
  local bad = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout
  local rate = summary.requests / (summary.duration / 1e6)
  local times = string.format("%.2f %.2f", latency:percentile(50) / 1e3, latency:percentile(99) / 1e3)
  io.write(string.format("RESULT %.0f %s %d\\n", rate, times, bad))
end
"""


@contextmanager
def served(model: Path, log: Path) -> Iterator[str]:
    """Serve a model on a free port until the block ends."""
    command = [sys.executable, "-m", "autoagent", "serve", str(model), "--port", "0"]
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
        try:
            until = time.monotonic() + 60
            while (found := re.search(r"http://[\d.]+:[1-9]\d*", log.read_text())) is None:
                if process.poll() is not None or time.monotonic() > until:
                    raise SystemExit(log.read_text())
                time.sleep(0.05)
            yield found[0]
        finally:
            began = time.monotonic()
            process.terminate()
            process.wait(30)
            log.write_text(f"{log.read_text()}\nended in {time.monotonic() - began:.2f} s\n")


def load(url: str, rows: list[dict[str, object]], seconds: int, connections: int, folder: Path) -> str:
    """Ask with so many rows a request for so long and return a row of the table."""
    body, script = folder / "body.json", folder / "ask.lua"
    body.write_text(json.dumps({"rows": rows}))
    script.write_text(LUA.format(body=body))
    command = [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{seconds}s",
        "--latency",
        "--timeout",
        "30s",
        "-s",
        str(script),
        f"{url}/predict",
    ]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"RESULT (\S+) (\S+) (\S+) (\S+)", shown)
    if found is None:
        raise SystemExit(shown)
    rate, middle, last, bad = found.groups()
    return f"| {len(rows)} | {connections} | {rate} | {float(rate) * len(rows):.0f} | {middle} | {last} | {bad} |"


def fuzz(url: str, tool: str, examples: int, folder: Path, *, without: str = "") -> list[str]:
    """Fuzz every operation with data that fits the schema and data that does not, and return what was found.

    Args:
        url: of the endpoint.
        tool: the command of schemathesis.
        examples: of each operation, at most.
        folder: to work in.
        without: a check that is left out: no schema says what an image is, so of images bodies that fit are refused.
    """
    command = [
        tool,
        "run",
        f"{url}/openapi.json",
        "--max-examples",
        str(examples),
        "--seed",
        "1",
        "--continue-on-failure",
    ]
    command += ["--generation-database", "none", "--request-timeout", "30", "--mode", "all", "--max-time", "90"]
    command += ["--exclude-checks", without] if without else []
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    (folder / "schemathesis.txt").write_text(done.stdout + done.stderr)
    start = next((i for i, line in enumerate(lines) if "SUMMARY" in line), max(0, len(lines) - 30))
    return [f"exit code {done.returncode}", *lines[start:], done.stderr[-1000:]]


def mixed() -> pd.DataFrame:
    """Return rows with a number, a category and a date, some of them missing."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": np.where(rng.random(300) < 0.1, np.nan, rng.integers(18, 80, 300)),
            "plan": rng.choice(["basic", "plus", None], 300),
            "since": pd.date_range("2020-01-01", periods=300, freq="D").astype(str),
        }
    )
    frame["churned"] = np.where((frame["age"].fillna(40) > 50) ^ (rng.random(300) < 0.1), "yes", "no")
    return frame


def drawings(folder: Path) -> str:
    """Write a folder of small images, bright and dark ones, and return its path."""
    rng = np.random.default_rng(0)
    for name, low in (("dark", 0), ("bright", 128)):
        (folder / name).mkdir(parents=True)
        for number in range(40):
            pixels = rng.integers(low, low + 128, (12, 12), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return str(folder)


def health(url: str) -> int:
    """Return the status of the health check."""
    with urllib.request.urlopen(f"{url}/health", timeout=30) as answer:
        return int(answer.status)


def ending(log: Path) -> str:
    """Say what the server's log says of its crashes and its end."""
    text = log.read_text().strip()
    return (
        f"tracebacks in the server's log: {text.count('Traceback')}; after SIGTERM it {text.strip().splitlines()[-1]}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--fuzz", help="path of the schemathesis command; no fuzzing without it")
    parser.add_argument("--examples", type=int, default=200)
    parser.add_argument("--no-load", action="store_true", help="only fuzz")
    parser.add_argument("--keep", type=Path, help="where schemathesis.txt and the server's log are kept")
    parser.add_argument("--out", type=Path)
    a = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        run = autoagent.run("breast_cancer", "classify, auroc", out=folder / "runs", max_trials=12, workers=1)
        frame = read_table("breast_cancer").frame
        rows = json.loads(frame[list(run.model.facts["roles"])].head(1000).to_json(orient="records"))
        lines = [
            f"`python benchmarks/serve.py --seconds {a.seconds} --examples {a.examples} --fuzz schemathesis`, "
            f"{time.strftime('%Y-%m-%d %H:%M')}",
            "",
            f"{platform.machine()}, {os.cpu_count()} cores, which the server and wrk share; load before: "
            f"{', '.join(f'{value:.1f}' for value in os.getloadavg())}; Python {platform.python_version()}.",
            f"Model: {run.state.selection.reason if run.state.selection else ''}",
            "",
            "| rows a request | connections | requests/s | rows/s | median ms | p99 ms | errors |",
            "|---|---|---|---|---|---|---|",
        ]
        with served(run.folder.root, folder / "log.txt") as url:
            for count in () if a.no_load else (1, 100, min(1000, len(rows))):
                lines += [load(url, rows[:count], a.seconds, many, folder) for many in a.connections]
            lines += ["", f"afterwards /health answers {health(url)}"]
        lines += [ending(folder / "log.txt")]
        if a.fuzz:
            lines += ["", "## Fuzzing with schemathesis"]
            kinds = {
                "a number, a category and a date": (mixed(), "predict churned, AUROC", ""),
                "images": (drawings(folder / "images"), "accuracy, use knn", "positive_data_acceptance"),
            }
            for what, (data, request, without) in kinds.items():
                other = autoagent.run(data, request, out=folder / "runs", max_trials=3, workers=1)
                with served(other.folder.root, folder / "log.txt") as url:
                    found = fuzz(url, a.fuzz, a.examples, folder, without=without)
                    lines += ["", f"A model of {what}{' without ' * bool(without)}{without}.", "", "```", *found, "```"]
                    lines += ["", f"afterwards /health answers {health(url)}"]
                lines += [ending(folder / "log.txt")]
        if a.keep:
            for name in ("log.txt", "schemathesis.txt"):
                if (folder / name).exists():
                    (a.keep / name).write_text((folder / name).read_text())
    text = "\n".join(lines) + "\n"
    print(text)
    if a.out:
        a.out.write_text(f"# The endpoint, measured\n\n{text}", encoding="utf-8")


if __name__ == "__main__":
    main()
