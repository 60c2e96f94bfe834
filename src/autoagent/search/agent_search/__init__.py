"""The agent's own sampler as pure functions of a space, a history and, if there is one, a language model."""
