"""Block-wise quantized optimizer states as ordinary torch optimizers."""

from autoagent.ops.blockwise import dequantize_blockwise, quantize_blockwise
from autoagent.ops.optim.adagrad import Adagrad
from autoagent.ops.optim.adam import Adam
from autoagent.ops.optim.adamw import AdamW
from autoagent.ops.optim.ademamix import AdEMAMix
from autoagent.ops.optim.base import QuantizedOptimizer
from autoagent.ops.optim.lion import Lion
from autoagent.ops.optim.nadamw import NAdamW
from autoagent.ops.optim.report import ParameterReport, StateReport
from autoagent.ops.optim.rmsprop import RMSprop
from autoagent.ops.optim.sgd import SGD

__all__ = [
    "SGD",
    "AdEMAMix",
    "Adagrad",
    "Adam",
    "AdamW",
    "Lion",
    "NAdamW",
    "ParameterReport",
    "QuantizedOptimizer",
    "RMSprop",
    "StateReport",
    "dequantize_blockwise",
    "quantize_blockwise",
]
