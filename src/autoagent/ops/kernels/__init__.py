"""Kernels that update parameters and their stored states; all follow one definition of the codes."""
