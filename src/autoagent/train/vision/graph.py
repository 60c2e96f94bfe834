"""Write a traced torch module as ONNX nodes: convolutions with their norms folded in, activations, pools, sums.

``torch.onnx.export`` is not used: its old exporter is deprecated, and its new one needs a package that is no
dependency.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn
from torch.nn import functional

from autoagent.errors import TrialFailed
from autoagent.train.onnx_graph import OnnxGraph

Write = Callable[[OnnxGraph, Any, list[Any], Mapping[str, Any]], str]


def add_module(graph: OnnxGraph, model: nn.Module, x: str) -> str:
    """Add a module in ``eval`` mode to a graph and return the name of its output.

    Args:
        graph: to add to.
        model: that ``torch.fx`` can trace.
        x: the name of its one input, ``(n, c, h, w)``.

    Raises:
        TrialFailed: it does something that has no node here.
    """
    traced = fx.symbolic_trace(model.eval())
    modules = dict(traced.named_modules())
    folded, names = _folded(traced, modules), dict[fx.Node, Any]()
    for node in traced.graph.nodes:
        names[node] = _value(graph, node, modules, folded, names, x)
        if node.op == "output":
            return str(_looked_up(node.args[0], names))
    raise TrialFailed("the traced network has no output", kind="error")


def _folded(traced: fx.GraphModule, modules: Mapping[str, nn.Module]) -> dict[fx.Node, nn.BatchNorm2d]:
    """Return the norms that directly follow a convolution and nothing else does; they become part of it."""
    found = dict[fx.Node, nn.BatchNorm2d]()
    for node in traced.graph.nodes:
        module = modules.get(str(node.target)) if node.op == "call_module" else None
        before = node.args[0] if node.args else None
        alone = isinstance(before, fx.Node) and before.op == "call_module" and len(before.users) == 1
        if not (alone and isinstance(before, fx.Node) and isinstance(module, nn.BatchNorm2d)):
            continue
        if isinstance(modules.get(str(before.target)), nn.Conv2d):
            found[before] = module
    return found


def _value(
    graph: OnnxGraph,
    node: fx.Node,
    modules: Mapping[str, nn.Module],
    folded: Mapping[fx.Node, nn.BatchNorm2d],
    names: Mapping[fx.Node, Any],
    x: str,
) -> Any:  # noqa: ANN401 - the name of a tensor, or a plain value such as a size
    if node.op == "placeholder":
        return x
    if node.op == "output":
        return None
    if node.op == "get_attr":
        return graph.constant(_array(_attribute(cast(nn.Module, node.graph.owning_module), str(node.target))))
    arguments = [_looked_up(argument, names) for argument in node.args]
    keywords = {name: _looked_up(value, names) for name, value in node.kwargs.items()}
    if node.op == "call_module":
        module = modules[str(node.target)]
        before = node.args[0]
        if isinstance(module, nn.BatchNorm2d) and folded.get(cast(fx.Node, before)) is module:
            return arguments[0]
        if isinstance(module, nn.Conv2d):
            return _convolution(graph, module, arguments[0], folded.get(node))
        write = next((_MODULES[kind] for kind in type(module).__mro__ if kind in _MODULES), None)
        if write is not None:
            return write(graph, module, arguments, keywords)
    found = _same if getattr(node.target, "__name__", "") in _IDLE else _FUNCTIONS.get(node.target)
    if found is not None:
        return found(graph, None, arguments, keywords)
    shown = type(modules.get(str(node.target))).__name__ if node.op == "call_module" else str(node.target)
    raise TrialFailed(f"the network's {shown} cannot be written as ONNX", kind="error")


def _looked_up(argument: Any, names: Mapping[fx.Node, Any]) -> Any:  # noqa: ANN401 - as torch.fx has them
    if isinstance(argument, fx.Node):
        return names[argument]
    if isinstance(argument, list | tuple):
        return [_looked_up(one, names) for one in argument]
    return argument


def _attribute(module: nn.Module, path: str) -> Tensor:
    found: Any = module
    for name in path.split("."):
        found = getattr(found, name)
    return cast(Tensor, found)


def _array(tensor: Tensor) -> NDArray[Any]:
    return np.asarray(tensor.detach().cpu().float().numpy())


def _scale_and_shift(norm: nn.BatchNorm2d) -> tuple[NDArray[Any], NDArray[Any]]:
    mean, variance = cast(Tensor, norm.running_mean).double(), cast(Tensor, norm.running_var).double()
    scale = (norm.weight.double() if norm.affine else 1.0) / torch.sqrt(variance + norm.eps)
    shift = (norm.bias.double() if norm.affine else 0.0) - mean * scale
    return scale.detach().cpu().numpy(), shift.detach().cpu().numpy()


def _pair(value: Any) -> list[int]:  # noqa: ANN401 - a number or a pair, as torch has them
    return [int(value)] * 2 if isinstance(value, int) else [int(one) for one in value]


def _convolution(graph: OnnxGraph, conv: nn.Conv2d, x: str, norm: nn.BatchNorm2d | None) -> str:
    weight = conv.weight.detach().cpu().double().numpy()
    bias = np.zeros(len(weight)) if conv.bias is None else conv.bias.detach().cpu().double().numpy()
    if norm is not None:
        scale, shift = _scale_and_shift(norm)
        weight, bias = weight * scale[:, None, None, None], bias * scale + shift
    pad = _pair(conv.padding) if not isinstance(conv.padding, str) else None
    if pad is None:
        raise TrialFailed(f"a convolution padded {conv.padding!r} cannot be written as ONNX", kind="error")
    return graph.add(
        "Conv",
        x,
        graph.constant(weight),
        graph.constant(bias),
        kernel_shape=_pair(conv.kernel_size),
        strides=_pair(conv.stride),
        pads=[*pad, *pad],
        dilations=_pair(conv.dilation),
        group=conv.groups,
    )


def _norm(graph: OnnxGraph, norm: nn.BatchNorm2d, arguments: list[Any], _: Mapping[str, Any]) -> str:
    scale, shift = _scale_and_shift(norm)
    return graph.affine(arguments[0], scale[:, None, None], shift[:, None, None])


def _group_norm(graph: OnnxGraph, norm: nn.GroupNorm, arguments: list[Any], _: Mapping[str, Any]) -> str:
    weight, bias = (torch.ones(norm.num_channels), torch.zeros(norm.num_channels))
    if norm.affine:
        weight, bias = norm.weight, norm.bias
    return graph.add(
        "GroupNormalization",
        arguments[0],
        graph.constant(_array(weight)),
        graph.constant(_array(bias)),
        num_groups=norm.num_groups,
        epsilon=norm.eps,
    )


def _linear(graph: OnnxGraph, linear: nn.Linear, arguments: list[Any], _: Mapping[str, Any]) -> str:
    bias = torch.zeros(linear.out_features) if linear.bias is None else linear.bias
    return graph.linear(arguments[0], _array(linear.weight).T, _array(bias))


def _max_pool(graph: OnnxGraph, pool: nn.MaxPool2d, arguments: list[Any], _: Mapping[str, Any]) -> str:
    pad = _pair(cast(Any, pool.padding))
    return graph.add(
        "MaxPool",
        arguments[0],
        kernel_shape=_pair(cast(Any, pool.kernel_size)),
        strides=_pair(cast(Any, pool.stride)),
        pads=[*pad, *pad],
    )


def _mean_pool(graph: OnnxGraph, pool: Any, arguments: list[Any], _: Mapping[str, Any]) -> str:  # noqa: ANN401
    size = pool.output_size if pool is not None else arguments[1]
    if size not in (1, (1, 1), [1, 1]):
        raise TrialFailed(f"an adaptive pool to {size} cannot be written as ONNX", kind="error")
    return graph.add("GlobalAveragePool", arguments[0])


def _same(graph: OnnxGraph, module: Any, arguments: list[Any], _: Mapping[str, Any]) -> str:  # noqa: ANN401
    return str(arguments[0])


def _flatten(graph: OnnxGraph, module: Any, arguments: list[Any], words: Mapping[str, Any]) -> str:  # noqa: ANN401
    start = int(arguments[1] if len(arguments) > 1 else words.get("start_dim", 1))
    if start == 1:
        return graph.add("Flatten", arguments[0], axis=1)
    return graph.add("Reshape", arguments[0], graph.constant([0] * start + [-1], np.int64))  # 0: as it is


def _clipped(high: float) -> Write:
    return lambda graph, _, arguments, __: graph.add("Clip", arguments[0], graph.constant(0.0), graph.constant(high))


def _clamped(graph: OnnxGraph, _: Any, arguments: list[Any], words: Mapping[str, Any]) -> str:  # noqa: ANN401
    low, high = (
        arguments[place] if len(arguments) > place else words.get(name) for place, name in enumerate(("min", "max"), 1)
    )
    return graph.add("Clip", arguments[0], *("" if one is None else graph.constant(one) for one in (low, high)))


def _one(name: str, **attributes: float) -> Write:
    return lambda graph, _, arguments, __: graph.add(name, arguments[0], **attributes)


def _swish(graph: OnnxGraph, module: Any, arguments: list[Any], _: Mapping[str, Any]) -> str:  # noqa: ANN401
    return graph.add("Mul", arguments[0], graph.add("Sigmoid", arguments[0]))


def _two(name: str) -> Write:
    def write(graph: OnnxGraph, _: Any, arguments: list[Any], __: Mapping[str, Any]) -> str:  # noqa: ANN401
        names = [one if isinstance(one, str) else graph.constant(one) for one in arguments[:2]]
        return graph.add(name, *names)

    return write


def _concatenated(graph: OnnxGraph, module: Any, arguments: list[Any], words: Mapping[str, Any]) -> str:  # noqa: ANN401
    axis = arguments[1] if len(arguments) > 1 else words.get("dim", 0)
    return graph.add("Concat", *arguments[0], axis=int(axis))


def _zero_pad(graph: OnnxGraph, pad: Any, arguments: list[Any], _: Mapping[str, Any]) -> str:  # noqa: ANN401
    left, right, top, bottom = pad.padding
    return graph.add("Pad", arguments[0], graph.constant([0, 0, top, left, 0, 0, bottom, right], np.int64))


def _replicated(graph: OnnxGraph, pad: Any, arguments: list[Any], _: Mapping[str, Any]) -> str:  # noqa: ANN401
    left, right, top, bottom = pad.padding
    sizes = graph.constant([0, 0, top, left, 0, 0, bottom, right], np.int64)
    return graph.add("Pad", arguments[0], sizes, mode="edge")


def _transposed(graph: OnnxGraph, conv: Any, arguments: list[Any], _: Mapping[str, Any]) -> str:  # noqa: ANN401
    pad, bias = _pair(conv.padding), torch.zeros(conv.out_channels) if conv.bias is None else conv.bias
    return graph.add(
        "ConvTranspose",
        arguments[0],
        graph.constant(_array(conv.weight)),
        graph.constant(_array(bias)),
        kernel_shape=_pair(conv.kernel_size),
        strides=_pair(conv.stride),
        pads=[*pad, *pad],
        output_padding=_pair(conv.output_padding),
        dilations=_pair(conv.dilation),
        group=conv.groups,
    )


def _upsample(graph: OnnxGraph, module: Any, arguments: list[Any], _: Mapping[str, Any]) -> str:  # noqa: ANN401
    words = {"size": module.size, "scale_factor": module.scale_factor, "mode": module.mode}
    return _resize(graph, None, arguments, {**words, "align_corners": module.align_corners})


def _resize(graph: OnnxGraph, _: Any, arguments: list[Any], words: Mapping[str, Any]) -> str:  # noqa: ANN401
    size, factor, mode, corners = (
        arguments[place] if len(arguments) > place else words.get(name)
        for place, name in enumerate(("size", "scale_factor", "mode", "align_corners"), start=1)
    )
    mode = mode or "nearest"
    if mode not in ("nearest", "bilinear") or corners or (size is None) == (factor is None):
        raise TrialFailed(f"a resize by {mode!r} (corners aligned: {corners}) cannot be written as ONNX", kind="error")
    how: dict[str, Any] = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    if mode == "nearest":
        how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    if factor is None:
        how |= {"axes": [2, 3]}
        return graph.add("Resize", arguments[0], "", "", graph.constant(_pair(size), np.int64), **how)
    scales = [float(factor)] * 2 if isinstance(factor, int | float) else [float(one) for one in factor]
    return graph.add("Resize", arguments[0], "", graph.constant([1.0, 1.0, *scales]), **how)


def _item(graph: OnnxGraph, _: Any, arguments: list[Any], __: Mapping[str, Any]) -> Any:  # noqa: ANN401
    """Return one of several tensors by its place or name, or a part of one: a slice for each axis, none with a step."""
    taken, place = arguments[0], arguments[1]
    if not isinstance(taken, str):
        return taken[place]
    slices = place if isinstance(place, list) else [place]
    cut = [(axis, one) for axis, one in enumerate(slices) if one != slice(None)]
    if any(not isinstance(one, slice) or one.step not in (None, 1) for _, one in cut):
        raise TrialFailed(f"the part {place!r} of a tensor cannot be written as ONNX", kind="error")
    axes = graph.constant([axis for axis, _ in cut], np.int64)
    starts = graph.constant([one.start or 0 for _, one in cut], np.int64)
    ends = graph.constant([np.iinfo(np.int64).max if one.stop is None else one.stop for _, one in cut], np.int64)
    return graph.add("Slice", taken, starts, ends, axes) if cut else taken


_IDLE = ("stochastic_depth", "drop_connect")  # functions that do something in training only
_HARD_SIGMOID = {"alpha": 1 / 6, "beta": 0.5}
_MODULES: dict[type, Write] = {
    nn.BatchNorm2d: _norm,
    nn.GroupNorm: _group_norm,
    nn.Linear: _linear,
    nn.MaxPool2d: _max_pool,
    nn.AdaptiveAvgPool2d: _mean_pool,
    nn.Flatten: _flatten,
    nn.Dropout: _same,
    nn.ZeroPad2d: _zero_pad,
    nn.ReplicationPad2d: _replicated,
    nn.ConvTranspose2d: _transposed,
    nn.Upsample: _upsample,
    nn.Identity: _same,
    nn.ReLU: _one("Relu"),
    nn.ReLU6: _clipped(6.0),
    nn.SiLU: _swish,
    nn.Sigmoid: _one("Sigmoid"),
    nn.Hardswish: _one("HardSwish"),
    nn.Hardsigmoid: _one("HardSigmoid", **_HARD_SIGMOID),
}
_FUNCTIONS: dict[Any, Write] = {
    operator.add: _two("Add"),
    operator.iadd: _two("Add"),
    operator.mul: _two("Mul"),
    operator.imul: _two("Mul"),
    operator.sub: _two("Sub"),
    operator.truediv: _two("Div"),
    torch.add: _two("Add"),
    torch.mul: _two("Mul"),
    operator.getitem: _item,
    torch.cat: _concatenated,
    torch.flatten: _flatten,
    torch.relu: _one("Relu"),
    functional.relu: _one("Relu"),
    functional.softplus: _one("Softplus"),
    torch.exp: _one("Exp"),
    torch.clamp: _clamped,
    functional.adaptive_avg_pool2d: _mean_pool,
    functional.dropout: _same,
    functional.interpolate: _resize,
}
