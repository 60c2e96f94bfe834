"""Trees of tensors in one file: the layout of safetensors, written whole or not at all, read without running code.

The tree around the tensors (dictionaries, lists, tuples, numbers, words) is JSON in the file's metadata, where a tensor
is its name; so any reader of safetensors opens the tensors of a checkpoint.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from autoagent.errors import UserError

Tree = Any  # dict | list | tuple | str | int | float | bool | None | Tensor, nested
_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
_LONGEST_HEADER = 100_000_000  # bytes; as the reference reader has it


def write_tree(path: Path, tree: Tree) -> int:
    """Write a tree and return the bytes; the file is there whole or as it was, whenever the process or machine dies.

    Tensors may be on any device; a tensor that occurs twice is written twice.

    Raises:
        UserError: something in the tree is none of the things that a tree holds.
    """
    tensors: dict[str, Tensor] = {}
    form = json.dumps(_strip(tree, "", tensors), separators=(",", ":"))
    pieces = [_bytes_of(tensor) for tensor in tensors.values()]
    header, at = {}, 0
    for (name, tensor), piece in zip(tensors.items(), pieces, strict=True):
        header[name] = {
            "dtype": _NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [at, at + len(piece)],
        }
        at += len(piece)
    head = _header_bytes({"__metadata__": {"tree": form, "crc32": str(_crc(pieces))}, **header})
    part = path.with_name(f"{path.name}.part{os.getpid()}")
    with part.open("wb") as file:
        file.write(len(head).to_bytes(8, "little"))
        file.write(head)
        for piece in pieces:
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    _sync_folder(path.parent)
    return 8 + len(head) + at


def read_tree(path: Path) -> Tree:
    """Return what ``write_tree`` wrote, or a flat dictionary of the tensors of any file in the layout of safetensors.

    Raises:
        UserError: the file is cut, damaged, or not in this layout.
    """
    header, data = _parse(path)
    metadata = header.pop("__metadata__", {})
    if "crc32" in metadata and int(metadata["crc32"]) != zlib.crc32(data):
        raise UserError(f"{path}: the checksum of its tensors is wrong; the file is damaged")
    tensors = {name: _tensor(path, name, row, data) for name, row in header.items()}
    try:
        return _fill(json.loads(metadata["tree"]), tensors) if "tree" in metadata else tensors
    except (KeyError, ValueError, TypeError) as error:
        raise UserError(f"{path}: the tree around its tensors cannot be read ({error!r})") from error


def _parse(path: Path) -> tuple[dict[str, Any], bytearray]:
    content = bytearray(path.read_bytes())
    size = int.from_bytes(content[:8], "little")
    if len(content) < 8 or size > min(_LONGEST_HEADER, len(content) - 8):
        raise UserError(f"{path}: {len(content)} bytes are not a whole file of tensors")
    try:
        header = json.loads(content[8 : 8 + size])
    except ValueError as error:
        raise UserError(f"{path}: its header cannot be read ({error})") from error
    if not isinstance(header, dict):
        raise UserError(f"{path}: its header is not a table of tensors")
    return header, content[8 + size :]


def _tensor(path: Path, name: str, row: Mapping[str, Any], data: bytearray) -> Tensor:
    """Return a view of the data as a tensor, after checking that it fits."""
    try:
        dtype, shape, (start, end) = _DTYPES[row["dtype"]], [int(n) for n in row["shape"]], row["data_offsets"]
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: the entry of {name!r} cannot be read ({error!r})") from error
    count = 1
    for n in shape:
        count *= n
    if min([0, *shape]) < 0 or not 0 <= start <= end <= len(data) or end - start != count * dtype.itemsize:
        raise UserError(f"{path}: {name!r} of shape {shape} does not fit its bytes {start} to {end}")
    if count == 0:
        return torch.empty(shape, dtype=dtype)
    raw = torch.frombuffer(data, dtype=torch.uint8, count=end - start, offset=start)
    return raw.clone().view(dtype).reshape(shape)  # a copy is aligned, and lets go of the file


def _strip(tree: Tree, name: str, tensors: dict[str, Tensor]) -> Any:  # noqa: ANN401 - JSON
    """Return the tree as JSON with names in the place of tensors, and collect the tensors."""
    match tree:
        case Tensor():
            if tree.dtype not in _NAMES:
                raise UserError(f"{name}: tensors of {tree.dtype} cannot be written; there are {', '.join(_DTYPES)}")
            tensors[name or "tensor"] = tree
            return {"t": name or "tensor"}
        case None | bool() | int() | float() | str():
            return tree
        case list():
            return [_strip(one, f"{name}.{i}", tensors) for i, one in enumerate(tree)]
        case tuple():
            return {"u": [_strip(one, f"{name}.{i}", tensors) for i, one in enumerate(tree)]}
        case Mapping() if all(isinstance(key, str | int) for key in tree):
            return {"d": [[key, _strip(one, f"{name}.{key}".lstrip("."), tensors)] for key, one in tree.items()]}
        case _:
            raise UserError(f"{name}: {type(tree).__name__} cannot be written; a tree holds tensors and plain values")


def _fill(form: Any, tensors: Mapping[str, Tensor]) -> Tree:  # noqa: ANN401 - JSON
    """Undo ``_strip``."""
    match form:
        case {"t": name}:
            return tensors[name]
        case {"u": items}:
            return tuple(_fill(one, tensors) for one in items)
        case {"d": items}:
            return {key: _fill(one, tensors) for key, one in items}
        case list():
            return [_fill(one, tensors) for one in form]
        case _:
            return form


def _bytes_of(tensor: Tensor) -> memoryview:
    flat = tensor.detach().to("cpu").contiguous().reshape(-1)
    return memoryview(flat.view(torch.uint8).numpy().data if flat.numel() else b"")


def _header_bytes(header: Mapping[str, Any]) -> bytes:
    text = json.dumps(header, separators=(",", ":")).encode()
    return text + b" " * (-len(text) % 8)  # so that the data begins aligned


def _crc(pieces: list[memoryview]) -> int:
    total = 0
    for piece in pieces:
        total = zlib.crc32(piece, total)
    return total


def _sync_folder(folder: Path) -> None:
    """Make a renaming last through a power cut, where folders can be opened."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
