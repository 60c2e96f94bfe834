"""Fitted trees as flat arrays, and the ONNX node that computes them.

Written by hand because the libraries' converters take seconds for ten classes and two hundred trees, and because of the
thresholds: libraries compare float32 features with float64 thresholds, so each is rounded towards minus infinity,
which leaves ``x <= t`` as it was for every float32 ``x``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import AttributeProto

from autoagent.train.onnx_graph import OnnxGraph, integer, integers, tensor

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
_V3 = ("featureids", "treeids", "nodeids", "truenodeids", "falsenodeids", "missing_value_tracks_true")


@dataclass(frozen=True)
class Trees:
    """One or many trees; a row goes left where ``x[feature] <= threshold``.

    Attributes:
        roots: first node of each tree, in ascending order; a tree's nodes lie together.
        feature: column that a node looks at.
        threshold: float64, as the library has it.
        left: next node; -1 in a leaf.
        right: next node; -1 in a leaf.
        nan_left: whether a missing value goes left.
        leaf: nodes that give something; a leaf may occur once for each output.
        output: index of the output that each of them adds to.
        weight: what it adds.
    """

    roots: Ints
    feature: Ints
    threshold: Floats
    left: Ints
    right: Ints
    nan_left: NDArray[np.bool_]
    leaf: Ints
    output: Ints
    weight: Floats


def join(parts: Sequence[Trees]) -> Trees:
    """Put forests behind each other."""
    sizes = [len(part.feature) for part in parts]
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)

    def moved(values: Sequence[Ints]) -> Ints:
        return np.concatenate([np.where(v < 0, v, v + start) for v, start in zip(values, starts, strict=True)])

    return Trees(
        roots=moved([part.roots for part in parts]),
        feature=np.concatenate([part.feature for part in parts]),
        threshold=np.concatenate([part.threshold for part in parts]),
        left=moved([part.left for part in parts]),
        right=moved([part.right for part in parts]),
        nan_left=np.concatenate([part.nan_left for part in parts]),
        leaf=moved([part.leaf for part in parts]),
        output=np.concatenate([part.output for part in parts]),
        weight=np.concatenate([part.weight for part in parts]),
    )


def floor32(values: Floats) -> NDArray[np.float32]:
    """Round to float32 towards minus infinity."""
    near = values.astype(np.float32)
    with np.errstate(over="ignore"):  # the neighbour of the smallest number is only taken where it is needed
        below = np.nextafter(near, np.float32(-np.inf))
    return np.where(near.astype(np.float64) > values, below, near)


def add_trees(graph: OnnxGraph, trees: Trees, num_outputs: int) -> str:
    """Add the sums ``(n, num_outputs)`` of the trees on ``X`` to a graph.

    ``TreeEnsemble`` of operator set 5 takes a third of the bytes but gives each leaf one output only; forests whose
    leaves hold several classes take the older ``TreeEnsembleRegressor``.
    """
    if len(np.unique(trees.leaf)) == len(trees.leaf):
        return graph.add_trees("TreeEnsemble", _attributes_v5(trees, num_outputs))
    return graph.add_trees("TreeEnsembleRegressor", _attributes_v3(trees, num_outputs))


def _attributes_v5(trees: Trees, num_outputs: int) -> list[AttributeProto]:
    trees = _with_split_roots(trees)
    inner = trees.left >= 0
    position = np.where(inner, np.cumsum(inner) - 1, 0)
    position[trees.leaf] = np.arange(len(trees.leaf))
    left, right = trees.left[inner], trees.right[inner]
    return [
        integers("tree_roots", position[trees.roots]),
        integers("nodes_featureids", trees.feature[inner]),
        tensor("nodes_splits", floor32(trees.threshold[inner])),
        tensor("nodes_modes", np.zeros(int(inner.sum()), np.uint8)),  # 0 is BRANCH_LEQ
        integers("nodes_truenodeids", position[left]),
        integers("nodes_trueleafs", ~inner[left]),
        integers("nodes_falsenodeids", position[right]),
        integers("nodes_falseleafs", ~inner[right]),
        integers("nodes_missing_value_tracks_true", trees.nan_left[inner]),
        integers("leaf_targetids", trees.output),
        tensor("leaf_weights", trees.weight.astype(np.float32)),
        integer("n_targets", num_outputs),
        integer("aggregate_function", 1),  # 1 is SUM
        integer("post_transform", 0),
    ]


def _attributes_v3(trees: Trees, num_outputs: int) -> list[AttributeProto]:
    ends = np.append(trees.roots[1:], len(trees.feature))
    tree = np.repeat(np.arange(len(trees.roots)), ends - trees.roots)
    start = trees.roots[tree]
    inner = trees.left >= 0
    columns = (
        trees.feature * inner,
        tree,
        np.arange(len(start)) - start,
        np.where(inner, trees.left - start, 0),
        np.where(inner, trees.right - start, 0),
        trees.nan_left & inner,
    )
    values = AttributeProto(name="nodes_values", type=AttributeProto.FLOATS)
    values.floats.extend(np.where(inner, floor32(trees.threshold), np.float32(0)).tolist())
    modes = AttributeProto(name="nodes_modes", type=AttributeProto.STRINGS)
    modes.strings.extend([b"BRANCH_LEQ" if split else b"LEAF" for split in inner.tolist()])
    weights = AttributeProto(name="target_weights", type=AttributeProto.FLOATS)
    weights.floats.extend(trees.weight.tolist())
    return [
        *(integers(f"nodes_{name}", column) for name, column in zip(_V3, columns, strict=True)),
        values,
        modes,
        integers("target_treeids", tree[trees.leaf]),
        integers("target_nodeids", trees.leaf - start[trees.leaf]),
        integers("target_ids", trees.output),
        weights,
        integer("n_targets", num_outputs),
    ]


def _with_split_roots(trees: Trees) -> Trees:
    """Give every tree that is one leaf a split above it, with that leaf and an equal one below."""
    single = trees.roots[trees.left[trees.roots] < 0]
    if not len(single):
        return trees
    entry = np.full(len(trees.feature), -1)
    entry[trees.leaf] = np.arange(len(trees.leaf))
    rows = entry[single]
    leaf_nodes = len(trees.feature) + np.arange(2 * len(single))
    left, right = trees.left.copy(), trees.right.copy()
    left[single], right[single] = leaf_nodes[: len(single)], leaf_nodes[len(single) :]
    none = np.full(2 * len(single), -1)
    keep = np.ones(len(trees.leaf), bool)
    keep[rows] = False
    return Trees(
        roots=trees.roots,
        feature=np.append(np.where(trees.left < 0, 0, trees.feature), 0 * none),
        threshold=np.append(trees.threshold, 0.0 * none),
        left=np.append(left, none),
        right=np.append(right, none),
        nan_left=np.append(trees.nan_left, none > 0),
        leaf=np.append(trees.leaf[keep], leaf_nodes),
        output=np.append(trees.output[keep], np.tile(trees.output[rows], 2)),
        weight=np.append(trees.weight[keep], np.tile(trees.weight[rows], 2)),
    )
