"""An embedding that trains stably beside 8-bit optimizer states: small at first, normalised, with 32-bit states."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class StableEmbedding(nn.Embedding):
    """Look rows up and normalise them: ``(...)`` indices in, ``(..., embedding_dim)`` out.

    arXiv:2110.02861 section 2.3: Xavier-uniform start, LayerNorm on what is looked up (add a position embedding after
    it), and 32-bit optimizer states for the table, because a rare token's gradient is large and its block mostly idle.
    The weight carries a mark that every optim of ``autoagent.ops`` reads.

    Do not put it in place of the embedding of a trained model: the normalisation changes what the model computes.
    There, keep the layer and call ``keep_states_in_32_bits`` on it.

    Differs: the lookup stays in the weight's dtype until LayerNorm, which computes in float32 for half precisions; the
    peer casts to torch's default dtype first.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(num_embeddings, embedding_dim, padding_idx, device=device, dtype=dtype)
        self.norm = nn.LayerNorm(embedding_dim, device=device)
        keep_states_in_32_bits(self)

    def reset_parameters(self) -> None:
        """Start the table Xavier-uniform, its padding row at zero."""
        nn.init.xavier_uniform_(self.weight)
        if self.padding_idx is not None:
            with torch.no_grad():
                self.weight[self.padding_idx].zero_()

    def forward(self, indices: Tensor) -> Tensor:
        """Return the normalised rows in the dtype of the table."""
        rows = functional.embedding(indices, self.weight, self.padding_idx)
        return cast_norm(self.norm, rows)


def cast_norm(norm: nn.LayerNorm, rows: Tensor) -> Tensor:
    """Apply a float32 LayerNorm to rows of any float dtype and return that dtype."""
    return norm(rows.to(norm.weight.dtype)).to(rows.dtype)  # type: ignore[no-any-return]  # Module.__call__ is untyped


def keep_states_in_32_bits(module: nn.Module) -> None:
    """Ask that the optim states of a module's own parameters are not quantized; a wish that survives ``module.to``.

    A deep copy loses it (torch copies a parameter without its attributes): call this again on the copy.
    """
    for parameter in module.parameters(recurse=False):
        parameter._keep_32bit = True  # type: ignore[attr-defined]  # torch lets a tensor carry attributes
