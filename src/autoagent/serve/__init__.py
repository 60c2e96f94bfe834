"""A small HTTP endpoint over a delivered model."""
