"""Put the parts of the chosen trials together as one folder that predicts by itself."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from autoagent import forecasting, inference, marking, structured, windows
from autoagent.durable import sync_path, sync_tree, write_durably
from autoagent.errors import RunFolderError

_REQUIREMENTS = "numpy>=1.26\npandas>=2.2\nonnxruntime>=1.20\n"
_FOR_IMAGES = "pillow>=10\n"
_MAX_LEVELS = 50  # that are named in the schema
_FACTS = ("task", "target", "metric", "classes", "class_kind", "roles", "rule")
_SCRIPTS = {"predict.py": inference}
_SERIES_SCRIPTS = {"predict.py": forecasting, "inference.py": inference, "windows.py": windows}
_MARKING_SCRIPTS = {"predict.py": marking, "inference.py": inference, "structured.py": structured}


def assemble(
    run_dir: Path, members: Sequence[tuple[Path, float]], out: Path, meta: Mapping[str, Any]
) -> dict[str, Any]:
    """Write the delivered folder; it appears whole or not at all.

    Recipes that several parts share are kept once.

    Args:
        run_dir: of the run; its training rows give the examples and ranges of the schema.
        members: trial folders and their weights.
        out: the folder to make; one that is there is replaced.
        meta: ``task``, ``target``, ``metric``, ``classes``, ``class_kind``, ``roles`` and ``rule``; of series also
            ``framing`` and ``intervals``, of masks, boxes and joints ``structure``.

    Returns:
        What ``model.json`` says.

    Raises:
        RunFolderError: there is no member, or a trial has no saved parts.
    """
    if not members:
        raise RunFolderError("a model needs at least one trial; there is none")
    images = inference.image_column(meta["roles"]) is not None
    frame = pd.read_parquet(run_dir / "data" / "train.parquet", columns=list(meta["roles"]))
    building = out.with_name(f".{out.name}.building")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    facts = {"format": inference.FORMAT, "sums": inference.SUMS, **{name: meta[name] for name in _FACTS}}
    facts |= _copy_members(members, building)
    series = meta.get("framing")
    if series:
        facts |= {"framing": series, "intervals": meta["intervals"], "examples": {}, "ranges": {}}
    else:
        facts |= {"examples": _examples(frame), "ranges": _ranges(frame, meta["roles"])}
    if structure := meta.get("structure"):
        facts["structure"] = structure
    _write_json(building / "model.json", facts)
    _write_json(building / "schema.json", history_schema(series) if series else input_schema(facts))
    (building / "requirements.txt").write_text(_REQUIREMENTS + _FOR_IMAGES * images, encoding="utf-8")
    scripts = _SERIES_SCRIPTS if series else _MARKING_SCRIPTS if structure else _SCRIPTS
    for name, module in scripts.items():
        shutil.copyfile(str(module.__file__), building / name)
    files = [path.relative_to(building).as_posix() for path in building.rglob("*") if path.is_file()]
    _write_sums(building, {name: inference.file_sha256(building / name) for name in files})
    sync_tree(building)
    _put_in_place(building, out)
    return facts


def add_file(source: Path, out: Path) -> None:
    """Copy one more file into a delivered folder, and its hash into the list of them where there is one.

    Args:
        source: the file; it keeps its name, and one of that name is replaced.
        out: the delivered folder.
    """
    write_durably(out / source.name, source.read_bytes())
    if not (out / inference.SUMS).is_file():  # delivered by a release that wrote none
        return
    lines = (out / inference.SUMS).read_text(encoding="utf-8").splitlines()
    known = {line[66:]: line[:64] for line in lines}
    _write_sums(out, {**known, source.name: inference.file_sha256(out / source.name)})


def parts_of(trial: Path) -> list[Path]:
    """Return the saved parts of a trial in the order of its folds.

    Raises:
        RunFolderError: there are none.
    """
    found = sorted((trial / "parts").glob("p*"), key=lambda path: int(path.name[1:]))
    if not found:
        raise RunFolderError(f"trial {trial.name} has no saved model; it cannot be delivered")
    return found


def _copy_members(members: Sequence[tuple[Path, float]], building: Path) -> dict[str, Any]:
    rows, shared, first = [], {}, dict[str, str]()
    for i, (trial, weight) in enumerate(members):
        names = []
        for encoder in (trial / "parts").glob("encoder-*"):  # named by its hash
            shutil.copytree(encoder, building / encoder.name, dirs_exist_ok=True)
        for part in parts_of(trial):
            name = f"m{i}/{part.name}"
            (building / name).mkdir(parents=True)
            shutil.copyfile(part / "model.onnx", building / name / "model.onnx")
            text = _minified((part / "recipe.json").read_text(encoding="utf-8"))
            if text in first:
                shared[name] = first[text]
            else:
                first[text] = name
                (building / name / "recipe.json").write_text(text, encoding="utf-8")
            names.append(name)
        rows.append({"weight": float(weight), "trial": trial.name, "parts": names})
    return {"members": rows, "recipes": shared}


def _minified(text: str) -> str:
    return json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False)


def _examples(frame: pd.DataFrame) -> dict[str, Any]:
    """Return the first known value of each column."""
    return {str(name): next((_plain(v) for v in frame[name].dropna().head(1)), None) for name in frame.columns}


def _plain(value: object) -> object:
    unboxed = value.item() if hasattr(value, "item") else value
    return unboxed if isinstance(unboxed, bool | int | float | str) else str(unboxed)


def _ranges(frame: pd.DataFrame, roles: Mapping[str, str]) -> dict[str, Any]:
    """Return least, middle and largest number, or the commonest categories."""
    found: dict[str, Any] = {}
    cells = inference.Cells(frame)
    for name, role in roles.items():
        if role == "numeric":
            known = pd.Series(cells.numbers((name,))[:, 0]).dropna()
            if len(known):
                found[name] = [float(known.min()), float(known.median()), float(known.max())]
        elif role == "categorical":
            codes, texts = cells.levels(name)
            counts = pd.Series(codes[codes >= 0]).value_counts()
            found[name] = [texts[code] for code in counts.index[:_MAX_LEVELS]]
    return found


def input_schema(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON schema of one input row."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"One row to predict {facts['target']}",
        "type": "object",
        "properties": {name: _property(name, role, facts) for name, role in facts["roles"].items()},
        "required": list(facts["roles"]),
        "additionalProperties": True,
    }


def history_schema(framing: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON schema of one row of a history."""
    time = {"type": ["integer", "number"]} if framing["grid"]["kind"] == "integer" else {"type": "string"}
    properties: dict[str, Any] = {framing["time"]: time}
    properties |= {name: {"type": ["string", "number", "boolean"]} for name in (*framing["keys"], *framing["static"])}
    values = framing["wide"] or [framing["target"]]
    properties |= {name: {"type": ["number", "null"], "description": "null after the last value"} for name in values}
    kinds = {"numeric": ["number", "null"], "categorical": ["string", "number", "boolean", "null"]}
    for name, role in framing["known"].items():
        properties[name] = {"type": kinds[role], "description": "known ahead: also in the rows after the last value"}
    properties |= {name: {"type": ["number", "null"]} for name in framing["past"]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"One row of a history of {framing['target']}",
        "type": "object",
        "properties": properties,
        "required": [framing["time"], *framing["keys"], *values, *framing["known"]],
        "additionalProperties": True,
    }


def _property(name: str, role: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    types = {"numeric": ["number", "null"], "categorical": ["string", "number", "boolean", "null"]}
    made: dict[str, Any] = {"type": types.get(role, ["string", "null"])}
    if facts["examples"].get(name) is not None:
        made["examples"] = [facts["examples"][name]]
    seen = facts["ranges"].get(name)
    if seen and role == "numeric":
        made["description"] = f"seen {seen[0]:g} to {seen[2]:g}"
    elif seen:
        made["description"] = f"seen: {', '.join(map(str, seen[:10]))}{' and more' if len(seen) > 10 else ''}"
    return made


def _put_in_place(building: Path, out: Path) -> None:
    old = out.with_name(f".{out.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if out.exists():
        out.rename(old)
    building.rename(out)
    sync_path(out.parent)
    shutil.rmtree(old, ignore_errors=True)


def _write_sums(folder: Path, sums: Mapping[str, str]) -> None:
    lines = [f"{digest}  {name}\n" for name, digest in sorted(sums.items())]
    write_durably(folder / inference.SUMS, "".join(lines))


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, allow_nan=False), encoding="utf-8")
