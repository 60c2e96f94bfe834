"""Tables of images with masks, boxes or joints: the frame names or tells them, the targets hold them as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from autoagent.data.images.coco import LabelledImages
from autoagent.data.images.label_cells import boxes_of, joints_of
from autoagent.data.images.mask_values import IGNORED, read_mask
from autoagent.data.images.masks import MaskedImages
from autoagent.data.images.source import ImageSource
from autoagent.data.images.structures import Structure, Targets
from autoagent.data.table import Table
from autoagent.errors import DataError
from autoagent.inference import InputError

_MOST_BYTES = 4_000_000_000  # of all masks of a run


def table_of_masks(masked: MaskedImages, root: Path, named: tuple[str, str], notes: Sequence[str] = ()) -> Table:
    """Return the table of images that have masks.

    Args:
        masked: the images and what their masks mean.
        root: what their paths are relative to.
        named: a short name, and the source as the user wrote it.
        notes: what was said of the source before.

    Raises:
        DataError: a mask was changed since it was looked at, or there are more than fit into memory.
    """
    source = ImageSource(masked.image, root.resolve(), masked.facts)
    structure = Structure(kind="segmentation", side=source.side, classes=masked.classes, coding=masked.coding)
    rows, side = len(masked.frame), source.side
    if rows * side * side > _MOST_BYTES:
        raise DataError(f"{rows} masks of {side}x{side} pixels do not fit into memory; take a part of them")
    truth = np.empty((rows, side, side), dtype=np.uint8)
    for place, cell in enumerate(masked.frame[masked.mask]):
        try:
            truth[place] = read_mask(str(cell), root, masked.coding, side)
        except InputError as error:
            raise DataError(f"{error}; was it changed just now?") from error
    ignored = float((truth == IGNORED).mean())
    told = [f"{ignored:.1%} of the pixels count nowhere"] if ignored else []
    repairs = (*notes, *masked.notes, *told, *source.notes())
    targets = Targets(structure, truth)
    return Table(masked.frame, *named, repairs, masked.mask, images=source, targets=targets)


def table_of_labels(labelled: LabelledImages, root: Path, named: tuple[str, str]) -> Table:
    """Return the table of images that have boxes or joints.

    Args:
        labelled: the images and their labels.
        root: what their paths are relative to.
        named: a short name, and the source as the user wrote it.
    """
    source = ImageSource(labelled.image, root.resolve(), labelled.facts)
    labels, cells = labelled.labels, labelled.frame[labelled.target].astype(str)
    if labels.kind == "detection":
        structure = Structure(kind="detection", side=source.side, classes=labels.classes)
        truth = np.stack([boxes_of(cell, labels.classes, labels.most) for cell in cells])
    else:
        joints = {"joints": labels.joints, "skeleton": labels.skeleton, "flip_pairs": labels.flip_pairs}
        structure = Structure(kind="keypoints", side=source.side, **joints)
        truth = np.stack([joints_of(cell, len(labels.joints)) for cell in cells])
    repairs, targets = (*labelled.notes, *source.notes()), Targets(structure, truth)
    return Table(labelled.frame, *named, repairs, labelled.target, images=source, targets=targets)
