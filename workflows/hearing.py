"""What is said to a workflow from outside is taken whatever it is, and looked at inside of the handler.

A handler that declares what it wants fares worse: the SDK drops a signal of another type without a word, and a
wrong number of arguments wedges the workflow for ever.
"""

from typing import Any


def heard(said: tuple[Any, ...]) -> Any:
    """Return the one thing that was said; None, which is no message of ours, where it was not one thing."""
    return said[0] if len(said) == 1 else None
