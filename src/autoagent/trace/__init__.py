"""The computation graph: what ran, on what, and what came of it."""
