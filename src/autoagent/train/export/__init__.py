"""Deliver a model: a folder without pickle that predicts by itself, and what it measures."""
