"""Benchmarks as objects: what a sampler is measured on, the protocol that keeps the measurement honest, its report."""
