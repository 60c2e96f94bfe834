"""Block-wise quantized optimizer states as ordinary torch optimizers."""

from autoagent.ops.blockwise import dequantize_blockwise, quantize_blockwise
from autoagent.ops.diagnose import Diagnosis, diagnose
from autoagent.ops.optim.adagrad import Adagrad
from autoagent.ops.optim.adahessian import AdaHessian
from autoagent.ops.optim.adam import Adam
from autoagent.ops.optim.adamw import AdamW
from autoagent.ops.optim.ademamix import AdEMAMix
from autoagent.ops.optim.base import QuantizedOptimizer
from autoagent.ops.optim.lion import Lion
from autoagent.ops.optim.muon import Muon
from autoagent.ops.optim.nadamw import NAdamW
from autoagent.ops.optim.report import ParameterReport, StateReport
from autoagent.ops.optim.rmsprop import RMSprop
from autoagent.ops.optim.sgd import SGD
from autoagent.ops.stable_embedding import StableEmbedding, keep_states_in_32_bits
from autoagent.ops.wrapper import quantize_state

__all__ = [
    "SGD",
    "AdEMAMix",
    "AdaHessian",
    "Adagrad",
    "Adam",
    "AdamW",
    "Diagnosis",
    "Lion",
    "Muon",
    "NAdamW",
    "ParameterReport",
    "QuantizedOptimizer",
    "RMSprop",
    "StableEmbedding",
    "StateReport",
    "dequantize_blockwise",
    "diagnose",
    "keep_states_in_32_bits",
    "quantize_blockwise",
    "quantize_state",
]
