"""Templates, the schemas of their replies, and examples of both."""
