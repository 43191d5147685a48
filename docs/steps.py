"""The reference of the steps that `firebreak reach` knows, from the engine's own table."""

from activities.graph.edges import MEANINGS
from docs.rendering import page, table


def pages() -> str:
    """Return the page of steps."""
    rows = (
        (
            f"`{edge.value}`",
            meaning.source,
            meaning.target,
            meaning.holds,
            str(meaning.certainty),
            meaning.technique,
        )
        for edge, meaning in MEANINGS.items()
    )
    intro = (
        "Every step by which `firebreak reach` goes on, what must hold for it, and how sure it is at best:"
        " conditions and missing data make it less. An identity is an account, a user or a group."
        " [How the engine works](../explanation/reachability.md) says why."
    )
    return page("Steps", intro, table(("Step", "From", "To", "What must hold", "At best", "ATT&CK"), rows))
