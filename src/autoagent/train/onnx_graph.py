"""Build small ONNX models node by node: one input ``X``, one output ``Y``, batch size free.

The converters of the libraries are not used: on ten classes and two hundred trees they take seconds per fold, and
their outputs (label maps, two outputs) are not what a blend needs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import AttributeProto, NodeProto, TensorProto, helper, numpy_helper

_OPSET, _ML_OPSET = 21, 5
_OLD_ML_OPSET = 3  # the last that has TreeEnsembleRegressor
_IR_VERSION = 10  # what goes with opset 21; onnxruntime >= 1.20 reads it


class OnnxGraph:
    """Collects nodes and constants; every method returns the name of what it made."""

    def __init__(self) -> None:
        self._nodes: list[NodeProto] = []
        self._constants: list[TensorProto] = []

    def constant(self, value: object, dtype: type[np.generic] = np.float32) -> str:
        """Add a constant."""
        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(np.asarray(value, dtype=dtype)), name))
        return name

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:  # noqa: ANN401 - whatever the operator takes
        """Add a node of the main operator set with one output."""
        name = f"n{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def add_two(self, operator: str, *inputs: str, **attributes: Any) -> tuple[str, str]:  # noqa: ANN401 - as above
        """Add a node with two outputs, for example ``TopK``."""
        name = f"n{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [name, f"{name}b"], **attributes))
        return name, f"{name}b"

    def add_trees(self, operator: str, attributes: Iterable[AttributeProto]) -> str:
        """Add a node of ``ai.onnx.ml`` on ``X`` whose large attributes are made already."""
        name = f"n{len(self._nodes)}"
        node = helper.make_node(operator, ["X"], [name], domain="ai.onnx.ml")
        node.attribute.extend(attributes)
        self._nodes.append(node)
        return name

    def affine(self, name: str, scale: object, shift: object) -> str:
        """Add ``name * scale + shift``."""
        return self.add("Add", self.add("Mul", name, self.constant(scale)), self.constant(shift))

    def linear(self, name: str, weight: object, bias: object) -> str:
        """Add ``name @ weight + bias``."""
        return self.add("Add", self.add("MatMul", name, self.constant(weight)), self.constant(bias))

    def two_columns(self, name: str) -> str:
        """Turn the probability ``(n, 1)`` of the second class into ``(n, 2)``."""
        return self.add("Concat", self.add("Sub", self.constant(1.0), name), name, axis=1)

    def flat(self, name: str) -> str:
        """Turn ``(n, 1)`` into ``(n,)``."""
        return self.add("Reshape", name, self.constant([-1], np.int64))

    def finish(
        self,
        name: str,
        *,
        num_features: int | str = 0,
        num_columns: int | tuple[int | str, ...] | None,
        image: tuple[int, int, int] | None = None,
    ) -> bytes:
        """Return the serialised model whose output ``Y`` is ``name``: ``(n, num_columns)``, or ``(n,)`` for None.

        A tuple has all sizes after ``n``, of maps for example; a word in it is a size that is not known.

        Its input ``X`` is float32 ``(n, num_features)``, likewise with a word, or uint8 ``(n, *image)`` of images
        ``(h, w, c)``.
        """
        taken = helper.make_tensor_value_info("X", TensorProto.FLOAT, ["n", num_features])
        if image is not None:
            taken = helper.make_tensor_value_info("X", TensorProto.UINT8, ["n", *image])
        self._nodes.append(helper.make_node("Identity", [name], ["Y"]))
        sizes = num_columns if isinstance(num_columns, tuple) else () if num_columns is None else (num_columns,)
        shape: list[Any] = ["n", *sizes]
        graph = helper.make_graph(
            self._nodes,
            "model",
            [taken],
            [helper.make_tensor_value_info("Y", TensorProto.FLOAT, shape)],
            self._constants,
        )
        old = any(node.op_type == "TreeEnsembleRegressor" for node in self._nodes)
        opsets = [
            helper.make_opsetid("", _OPSET),
            helper.make_opsetid("ai.onnx.ml", _OLD_ML_OPSET if old else _ML_OPSET),
        ]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="autoagent")
        return bytes(model.SerializeToString())


def integers(name: str, values: NDArray[Any]) -> AttributeProto:
    """Return an attribute of many integers; ``helper.make_attribute`` looks at each one and is slow."""
    attribute = AttributeProto(name=name, type=AttributeProto.INTS)
    attribute.ints.extend(np.asarray(values).astype(np.int64).tolist())
    return attribute


def tensor(name: str, values: NDArray[Any]) -> AttributeProto:
    """Return an attribute that holds one tensor."""
    return AttributeProto(name=name, type=AttributeProto.TENSOR, t=numpy_helper.from_array(values, name))


def integer(name: str, value: int) -> AttributeProto:
    """Return an attribute of one integer."""
    return AttributeProto(name=name, type=AttributeProto.INT, i=value)
