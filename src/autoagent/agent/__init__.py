"""Sentence to spec to plan to traced workflow to best model."""
