"""Prediction with a delivered model; needs only numpy, pandas and onnxruntime."""
