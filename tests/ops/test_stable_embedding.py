"""Hold StableEmbedding to what the paper and the peer's documentation promise."""

import math

import pytest
import torch
from torch.nn import functional

from autoagent.ops.stable_embedding import StableEmbedding, keep_states_in_32_bits


def test_rows_are_looked_up_and_then_normalised() -> None:
    layer = StableEmbedding(50, 16)
    indices = torch.tensor([[3, 4], [49, 0]])
    expected = functional.layer_norm(layer.weight[indices], (16,))
    torch.testing.assert_close(layer(indices), expected)
    assert layer(indices).mean(dim=-1).abs().max() < 1e-6


def test_the_table_starts_xavier_uniform() -> None:
    torch.manual_seed(0)
    bound = math.sqrt(6 / (1000 + 64))
    weight = StableEmbedding(1000, 64).weight.detach()
    assert weight.abs().max() <= bound
    assert float(weight.std()) == pytest.approx(bound / math.sqrt(3), rel=0.02)


def test_the_padding_row_starts_at_zero_and_gets_no_gradient() -> None:
    layer = StableEmbedding(10, 4, padding_idx=2)
    assert not layer.weight[2].any()
    layer(torch.tensor([2, 3])).square().sum().backward()
    assert layer.weight.grad is not None
    assert not layer.weight.grad[2].any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_comes_out_as_it_went_in(dtype: torch.dtype) -> None:
    layer = StableEmbedding(10, 8, dtype=dtype)
    out = layer(torch.tensor([1, 2]))
    assert out.dtype == dtype
    assert layer.norm.weight.dtype == torch.float32
    assert torch.isfinite(out).all()


def test_the_wish_for_32_bit_states_is_on_the_table_only_and_survives_a_move() -> None:
    layer = StableEmbedding(10, 8).to(torch.float64).float()
    assert layer.weight._keep_32bit  # type: ignore[attr-defined]
    assert not hasattr(layer.norm.weight, "_keep_32bit")


def test_an_ordinary_embedding_can_ask_for_the_same() -> None:
    layer = torch.nn.Embedding(4, 2)
    keep_states_in_32_bits(layer)
    assert layer.weight._keep_32bit  # type: ignore[attr-defined]


def test_its_state_dict_loads_into_another() -> None:
    a, b = StableEmbedding(7, 3), StableEmbedding(7, 3)
    b.load_state_dict(a.state_dict())
    assert torch.equal(a(torch.arange(7)), b(torch.arange(7)))
