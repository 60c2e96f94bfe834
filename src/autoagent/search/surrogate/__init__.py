"""A Gaussian process of our own over mixed spaces, in numpy: what the agent's sampler believes of untried points."""
