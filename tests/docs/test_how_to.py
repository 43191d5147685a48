"""What the how-to pages show really runs."""

import re
import textwrap
from pathlib import Path
from typing import Any

import docs.generate
from signals.detector import Detector

HOW_TO = Path(docs.generate.__file__).parent / "how-to"


def shown(page: str) -> dict[str, Any]:
    """Run the Python that a page shows; return the names it defines."""
    code = re.search(r"```python\n(.*?)```", (HOW_TO / page).read_text(), re.DOTALL)
    assert code is not None
    names: dict[str, Any] = {}
    exec(textwrap.dedent(code.group(1)), names)
    return names


def test_the_detector_that_is_shown_is_one() -> None:
    detector = shown("add-a-detector.md")["DETECTOR"]
    assert isinstance(detector, Detector)
    raised = {alert.rule for alert in detector.fires_on}
    assert raised == set(detector.rules)
    assert raised.isdisjoint(alert.rule for alert in detector.ignores)
