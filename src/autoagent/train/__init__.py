"""The child process: fits models, writes predictions and models, talks to no language model."""
