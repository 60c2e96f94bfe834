"""Hold the post-training diagnosis to identities and to models whose errors are known by hand."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from autoagent.errors import UserError
from autoagent.ops.diagnose import diagnose, round_weight


def _model() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 3))


def _batches() -> list[tuple[Tensor, Tensor]]:
    g = torch.Generator().manual_seed(2)
    return [(torch.randn(n, 8, generator=g), torch.randint(3, (n,), generator=g)) for n in (32, 7)]


def test_total_is_propagated_plus_local_plus_cross() -> None:
    for result in diagnose(_model(), _batches(), functional.cross_entropy).quantized:
        assert [layer.name for layer in result.layers] == ["0", "2", "4"]
        for layer in result.layers:
            assert layer.total == pytest.approx(layer.propagated + layer.local + layer.cross, rel=1e-9)


def test_the_first_layer_has_local_error_only() -> None:
    first, second, *_ = diagnose(_model(), _batches(), functional.cross_entropy).quantized[1].layers
    assert first.propagated == 0
    assert first.total == pytest.approx(first.local)
    assert first.gain is None
    assert second.gain == pytest.approx(second.propagated / first.total)


def test_a_linear_chain_agrees_with_the_matrices() -> None:
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(6, 5, bias=False), nn.Linear(5, 4, bias=False)).double()
    x = torch.randn(9, 6, dtype=torch.float64)
    W1, W2 = (layer.weight.detach() for layer in model)  # type: ignore[union-attr]
    Q1, Q2 = round_weight(W1, 4).double(), round_weight(W2, 4).double()
    layer = diagnose(model, [(x, x)], lambda z, _: z.square().mean(), bits=(4,)).quantized[0].layers[1]
    clean = x @ W1.T @ W2.T
    a = x @ (Q1 - W1).T @ ((Q2 + W2) / 2).T
    b = x @ ((Q1 + W1) / 2).T @ (Q2 - W2).T
    assert layer.propagated == pytest.approx(float(a.square().sum() / clean.square().sum()), rel=1e-9)
    assert layer.local == pytest.approx(float(b.square().sum() / clean.square().sum()), rel=1e-9)


def test_fewer_bits_hurt_more_and_eight_hardly_at_all() -> None:
    eight, four, two = diagnose(_model(), _batches(), functional.cross_entropy, bits=(8, 4, 2)).quantized
    assert eight.layers[-1].total < 1e-3 < four.layers[-1].total < two.layers[-1].total
    assert abs(eight.increase) < abs(two.increase)


def test_the_loss_is_the_mean_over_all_rows_of_all_batches() -> None:
    model, batches = _model().eval(), _batches()
    x, y = (torch.cat(part) for part in zip(*batches, strict=True))
    with torch.no_grad():
        expected = float(functional.cross_entropy(model(x), y))
    assert diagnose(model, batches, functional.cross_entropy).loss == pytest.approx(expected, rel=1e-5)


def test_the_model_is_left_as_it_was() -> None:
    model = nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.5), nn.BatchNorm1d(8), nn.Linear(8, 3)).train()
    model[1].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    diagnose(model, _batches(), functional.cross_entropy)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model.training
    assert not model[1].training
    assert not any(module._forward_hooks for module in model.modules())


def test_the_weights_come_back_after_a_crash() -> None:
    model = _model()
    before = model[0].weight.detach().clone()
    calls = 0

    def fails_when_quantized(z: Tensor, y: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        if calls > 2:
            raise RuntimeError("broken loss")
        return functional.cross_entropy(z, y)

    with pytest.raises(RuntimeError, match="broken loss"):
        diagnose(model, _batches(), fails_when_quantized)
    assert torch.equal(model[0].weight, before)


def test_a_layer_may_be_a_whole_block_and_may_be_called_twice() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.block = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8))

        def forward(self, x: Tensor) -> Tensor:
            return self.block(x + self.block(x))

    result = diagnose(Twice(), _batches(), functional.cross_entropy, bits=(4,), layers=["block"]).quantized[0]
    assert [layer.name for layer in result.layers] == ["block", "block"]
    assert result.layers[0].propagated == 0 < result.layers[1].propagated


def test_rounding_keeps_the_largest_of_each_row_and_errs_by_half_a_step() -> None:
    weight = torch.randn(5, 37)
    rounded = round_weight(weight, 4)
    largest = weight.abs().amax(dim=1)
    torch.testing.assert_close(rounded.abs().amax(dim=1), largest, rtol=1e-6, atol=0)
    assert ((rounded - weight).abs().amax(dim=1) <= largest / 14 * (1 + 1e-5)).all()


def test_smaller_blocks_round_better_and_a_zero_row_stays_zero() -> None:
    weight = torch.randn(4, 64)
    weight[0, 0] = 50.0
    weight[3] = 0
    whole, parts = ((round_weight(weight, 4, block) - weight).square().sum() for block in (None, 16))
    assert parts < whole
    assert not round_weight(weight, 4)[3].any()


def test_a_convolution_is_rounded_by_output_channel() -> None:
    conv = nn.Conv2d(3, 4, 3)
    model = nn.Sequential(conv, nn.Flatten(), nn.Linear(4 * 6 * 6, 2))
    x, y = torch.randn(5, 3, 8, 8), torch.randint(2, (5,))
    assert len(diagnose(model, [(x, y)], functional.cross_entropy).quantized[0].layers) == 2
    assert round_weight(conv.weight, 8).shape == conv.weight.shape


def test_all_faults_of_the_input_are_told_at_once() -> None:
    with pytest.raises(UserError, match="bits must be from 2 to 8, not 16; there is no batch"):
        diagnose(_model(), [], functional.cross_entropy, bits=(16,))
    with pytest.raises(UserError, match="no layers named"):
        diagnose(_model(), _batches(), functional.cross_entropy, layers=["nowhere"])
