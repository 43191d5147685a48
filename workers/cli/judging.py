"""What incidents were: asked of a person at a terminal, and read from the liaison's record."""

import sys
from argparse import Namespace

from signals.subjects import LIAISON, VERDICTS, service_subject
from signals.verdicts import Judged, Verdict
from workers.cli.output import note
from workers.hindsight import LISTED

ANSWER_SECONDS = 5.0
MEANINGS = {
    Verdict.TRUE: "an attack, or an attempt",
    Verdict.BENIGN: "it happened as told, and was meant to",
    Verdict.FALSE: "it did not happen, or means something else",
    Verdict.DRILL: "somebody practised",
}


def said(verdict: str | None) -> dict[str, str]:
    """Return what a command says of a verdict: nothing, where there is none."""
    return {"verdict": verdict} if verdict else {}


def asked(options: Namespace) -> str | None:
    """Return what a person at a terminal says that it was; None where nobody sits there, or says nothing."""
    if options.output != "table" or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    note(
        "What was it? Detectors are judged by the answer; an empty one is given later, by `firebreak judge`."
    )
    for verdict, meaning in MEANINGS.items():
        note(f"  {verdict:7} {meaning}")
    while True:
        sys.stderr.write("verdict: ")
        sys.stderr.flush()
        answer = sys.stdin.readline().strip().lower()
        if not answer:
            return None
        found = [verdict for verdict in Verdict if verdict.startswith(answer)]
        if len(found) == 1:
            return str(found[0])
        note("Say true, benign, false or drill, or nothing.")


async def all_verdicts(options: Namespace) -> tuple[Judged, ...]:
    """Return every verdict that was kept, the latest first.

    Raises:
        Unavailable: the liaison does not answer.
    """
    from workers.cli.operating import operating

    async with operating(options) as bus:
        return LISTED.validate_json(await bus.ask(service_subject(LIAISON, VERDICTS), b"", ANSWER_SECONDS))
