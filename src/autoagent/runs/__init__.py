"""What is on disk, and the state that it folds to."""
