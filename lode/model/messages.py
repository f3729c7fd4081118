"""What messages about models have in common."""

from collections.abc import Collection

#: What transformers raises for a folder that it cannot load.
LIBRARY_ERRORS = (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError, RuntimeError)
#: Names of tensors in one message.
NUM_NAMED = 8


def named(names: Collection[str]) -> str:
    """Names of tensors for a message, the first few of many."""
    first = ", ".join(sorted(names)[:NUM_NAMED])
    return f"{first} and {len(names) - NUM_NAMED} more" if len(names) > NUM_NAMED else first
