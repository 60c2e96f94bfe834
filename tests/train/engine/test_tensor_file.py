"""Trees of tensors in files: what comes back, what others can read, and what damaged files do."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from autoagent.errors import UserError
from autoagent.train.engine import read_tree, write_tree

_DTYPES = [
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int32,
    torch.uint8,
    torch.bool,
]


@pytest.mark.parametrize("dtype", _DTYPES)
@pytest.mark.parametrize("shape", [(), (3,), (2, 5), (0, 4)])
def test_a_tensor_comes_back_bit_for_bit(tmp_path: Path, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    tensor = (torch.randn(shape) * 100).to(dtype)
    write_tree(tmp_path / "file", {"x": tensor})
    back = read_tree(tmp_path / "file")["x"]
    assert back.dtype == dtype
    assert torch.equal(back, tensor)


def test_everything_around_the_tensors_comes_back(tmp_path: Path) -> None:
    tree = {
        "state": {0: {"step": 3, "betas": (0.9, 0.95)}, 1: {}},
        "list": [1, None, True, "word", {"t": "not a tensor"}],
        "numbers": (0.1, -1e300, math.inf),
    }
    write_tree(tmp_path / "file", tree)
    assert read_tree(tmp_path / "file") == tree


def test_a_tensor_that_is_not_contiguous_is_written_as_it_looks(tmp_path: Path) -> None:
    tensor = torch.arange(12.0).reshape(3, 4).T
    write_tree(tmp_path / "file", tensor)
    assert torch.equal(read_tree(tmp_path / "file"), tensor)


def test_the_file_has_the_layout_of_safetensors(tmp_path: Path) -> None:
    write_tree(tmp_path / "file", {"a": {"b": torch.tensor([1.0, 2.0])}, "c": 3})
    content = (tmp_path / "file").read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    assert size % 8 == 0
    assert header["a.b"] == {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    assert set(map(type, header["__metadata__"].values())) == {str}
    assert content[8 + size :] == torch.tensor([1.0, 2.0]).numpy().tobytes()


def test_a_file_of_another_writer_is_read_as_a_table_of_tensors(tmp_path: Path) -> None:
    header = json.dumps({"w": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}).encode()
    content = len(header).to_bytes(8, "little") + header + b"\x80\x3f\x00\xc0"
    (tmp_path / "file").write_bytes(content)
    assert read_tree(tmp_path / "file")["w"].tolist() == [1.0, -2.0]


@pytest.mark.parametrize("cut", [0, 5, 40, -1])
def test_a_cut_file_is_refused(tmp_path: Path, cut: int) -> None:
    write_tree(tmp_path / "file", {"x": torch.ones(10)})
    content = (tmp_path / "file").read_bytes()
    (tmp_path / "file").write_bytes(content[:cut])
    with pytest.raises(UserError):
        read_tree(tmp_path / "file")


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    write_tree(tmp_path / "file", {"x": torch.ones(10)})
    content = bytearray((tmp_path / "file").read_bytes())
    content[-3] ^= 1
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(UserError, match="checksum"):
        read_tree(tmp_path / "file")


@pytest.mark.parametrize(
    "row",
    [
        {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]},
        {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]},
        {"dtype": "F99", "shape": [1], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [1]},
    ],
)
def test_a_header_that_lies_is_refused(tmp_path: Path, row: dict[str, Any]) -> None:
    header = json.dumps({"w": row}).encode()
    (tmp_path / "file").write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    with pytest.raises(UserError):
        read_tree(tmp_path / "file")


def test_what_is_no_tree_is_refused_and_leaves_the_old_file(tmp_path: Path) -> None:
    write_tree(tmp_path / "file", {"x": 1})
    for bad in ({"x": object()}, {"x": torch.ones(1, dtype=torch.complex64)}, {(1, 2): 3}):
        with pytest.raises(UserError):
            write_tree(tmp_path / "file", bad)
    assert read_tree(tmp_path / "file") == {"x": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
