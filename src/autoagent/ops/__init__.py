"""Block-wise quantized optimizer states as ordinary torch optimizers."""
