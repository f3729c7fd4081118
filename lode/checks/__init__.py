"""Refusals while the graph is built, one file a noun."""
