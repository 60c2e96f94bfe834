"""Optimizers of traced parameters."""
