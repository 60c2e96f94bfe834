"""Messages are data or a ``WireError``, whatever the bytes."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoagent.sandbox import wire

SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text()
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.tuples(inner),
    max_leaves=20,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["$array", "<f8", "|O", "x"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["$array", "$dict", "$tuple", "$frame", "rows", "a", "$x"]), inner, max_size=3
        )
    ),
    max_leaves=12,
)


def message(head: object, blobs: bytes = b"") -> bytes:
    text = json.dumps(head).encode()
    return struct.pack(">4sQ", b"AAW1", len(text)) + text + blobs


@given(TREES)
def test_every_tree_of_data_comes_back(value: object) -> None:
    assert wire.decode(wire.encode(value), max_json_bytes=1 << 20) == value


@given(st.binary(max_size=200))
def test_random_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(wire.WireError):
        wire.decode(data, max_json_bytes=1 << 20)


@given(
    value=JSON,
    arrays=st.lists(st.tuples(st.sampled_from(["<f8", "|b1", "<U2", "|O", 3]), JSON), max_size=3),
    raw=st.binary(),
)
def test_a_tree_of_marks_gives_data_or_is_refused(value: object, arrays: list[object], raw: bytes) -> None:
    try:
        wire.encode(wire.decode(message({"value": value, "arrays": arrays}, raw), max_json_bytes=1 << 20))
    except wire.WireError as error:
        assert str(error)  # noqa: PT017 - both ends are right; nothing else may be raised


def test_a_boolean_array_holds_only_true_and_false() -> None:
    data = message({"value": {"$array": 0}, "arrays": [["|b1", [2]]]}, b"\x07\x00")
    assert wire.decode(data, max_json_bytes=1000).tobytes() == b"\x01\x00"


def test_what_cannot_act_on_a_terminal_is_left_alone() -> None:
    assert wire.printable("é\t\n日本 a") == "é\t\n日本 a"
    assert wire.printable("\x1b[31m\x9b\u202e\r\x00") == "\\x1b[31m\\x9b\\x202e\\x0d\\x00"


def test_a_text_array_of_another_byte_order_is_read() -> None:
    array = np.array(["ab", "é"], dtype=">U2")
    np.testing.assert_array_equal(wire.decode(wire.encode(array), max_json_bytes=1000), array)
