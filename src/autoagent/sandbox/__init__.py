"""Runs code that a model wrote, in a child process that can harm nobody."""
