"""Draw training images above what augmentation made of them, as one small PNG."""

from __future__ import annotations

import io

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from autoagent.train.vision.augment import NUM_RANDOM, Augmentation

_SIDE = 64  # pixels of one image in the picture
_GAP = 4


def contact_sheet(pixels: NDArray[np.uint8], augmentation: Augmentation, *, seed: int) -> bytes:
    """Return a PNG with two rows: the images, and one random change of each.

    Args:
        pixels: ``(n, h, w, c)``.
        augmentation: what may happen to them; mixing is left out.
        seed: of the change.
    """
    random = torch.from_numpy(np.random.default_rng(seed).random((len(pixels), NUM_RANDOM), dtype=np.float32))
    images = torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float() / 255
    changed = (augmentation.apply(images, random).permute(0, 2, 3, 1) * 255).round().to(torch.uint8).numpy()
    step = _SIDE + _GAP
    sheet = Image.new("RGB", (max(len(pixels), 1) * step - _GAP, 2 * step - _GAP), (255, 255, 255))
    for row, some in enumerate((pixels, changed)):
        for place, one in enumerate(some):
            image = Image.fromarray(one[:, :, 0] if one.shape[2] == 1 else one).convert("RGB")
            sheet.paste(image.resize((_SIDE, _SIDE), 0), (place * step, row * step))
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
