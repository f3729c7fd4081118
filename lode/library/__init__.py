"""The study from a notebook: one file a function. `lode/__init__.py` gives them their short names.

No module by which a result is made imports any of these, so no result becomes stale when they change.
"""
