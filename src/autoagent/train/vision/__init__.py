"""Networks on images: pixels from the cache, augmentation, the training task, and their ONNX graphs."""
