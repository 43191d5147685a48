"""A person speaks: an immutable Command object under their own credentials, and the liaison's answer to it."""

import asyncio
import secrets
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from activities.ports import COMMANDS, Cluster, Manifest, Resource
from signals.approvals import Answer, Verb
from signals.errors import Conflict, NotFound, Refused, Unavailable
from signals.stops import ORDERS
from signals.subjects import API_VERSION, DOMAIN, NAMESPACE, ORDER
from workers.cli.patience import SECONDS, patiently

REVIEWS = Resource("authentication.k8s.io", "v1", "selfsubjectreviews")

ANSWER_SECONDS = 15.0 + SECONDS
"""How long the liaison may take: its own deadline, and the restart of a server on the way."""
KNOWN_SECONDS = SECONDS
"""How long an API server that restarts may take to know people again."""
POLL_SECONDS = 0.1


class Conclusion(BaseModel, frozen=True):
    """What came of one command, as `-o json` prints it."""

    command: str
    """Name of the Command object, in namespace `firebreak`."""
    actor: str
    """Who spoke: the user name that the API server knows."""
    authenticated: bool
    """False on a memory cluster, where nobody proves who speaks."""
    accepted: bool
    """Whether it was done. Otherwise the exit code is 3."""
    message: str
    """What came of it, or why not."""


@dataclass(frozen=True)
class Said:
    """One command as it stands in the API server, and what came of it."""

    name: str
    actor: str
    answer: Answer
    authenticated: bool = True
    """False on a memory cluster, where nobody proves who speaks."""

    @property
    def conclusion(self) -> Conclusion:
        """What is printed of it."""
        return Conclusion(
            command=self.name, actor=self.actor, authenticated=self.authenticated, **self.answer.model_dump()
        )


async def whoami(cluster: Cluster) -> str:
    """Return the user name that the API server knows this person by.

    Whom it knows may ask this. In the first second after a restart it does not know its own rules, though, and
    forbids everything: so a refusal is asked about again.

    Raises:
        Refused: it does not know them.
    """
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    answer = await patiently(
        lambda: cluster.create(REVIEWS.ref(""), review), KNOWN_SECONDS, (Unavailable, Refused)
    )
    username: str = answer["status"]["userInfo"]["username"]
    return username


async def say(cluster: Cluster, verb: Verb, actor: str, role: str, what: dict[str, Any]) -> Said:
    """Create one command and wait for the liaison's answer.

    Raises:
        Refused: the API server says that this person may not speak so.
        NotFound: Firebreak is not installed in this cluster.
        Unavailable: nobody answered in time. The command stands, and may still be carried out.
    """
    name = f"{verb}-{secrets.token_hex(6)}"
    spec = {"verb": verb.value, "actor": actor, "role": role, **what}
    await _create(cluster, name, spec)
    return Said(name, actor, await _answer(cluster, name))


async def _create(cluster: Cluster, name: str, spec: dict[str, Any]) -> None:
    """Create it once, however often the server restarts: the name is ours, so a repetition meets itself."""
    manifest: Manifest = {
        "apiVersion": f"{DOMAIN}/{API_VERSION}",
        "kind": "Command",
        "metadata": {"name": name, "namespace": NAMESPACE, **_labels(spec["verb"])},
        "spec": spec,
    }
    try:
        await patiently(lambda: cluster.create(COMMANDS.ref(name, NAMESPACE), manifest))
    except Conflict:
        return
    except Refused as error:
        raise Refused(_forbidden(str(error), spec)) from error
    except NotFound as error:
        raise NotFound("Firebreak is not installed in this cluster: it knows no Command objects.") from error


def _labels(verb: str) -> dict[str, dict[str, str]]:
    """Return the label by which the executor asks for what is said to it."""
    return {"labels": {ORDER: verb}} if verb in ORDERS else {}


def _forbidden(reason: str, spec: dict[str, Any]) -> str:
    """Return the API server's refusal without its own machinery, and who may say it instead."""
    why = reason.rpartition("denied request: ")[2]
    hint = "" if spec["role"] == "lead" else " The security lead may: --person lead."
    return f"The API server does not let {spec['actor']} say “{spec['verb']}”: {why}.{hint}"


async def _answer(cluster: Cluster, name: str) -> Answer:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + ANSWER_SECONDS
    while loop.time() < deadline:
        command = await patiently(lambda: cluster.get(COMMANDS.ref(name, NAMESPACE)))
        status = command.get("status") or {}
        if "accepted" in status:
            return Answer(accepted=status["accepted"], message=status.get("message", ""))
        await asyncio.sleep(POLL_SECONDS)
    raise Unavailable(
        f"The liaison has not answered within {ANSWER_SECONDS:.0f} s. Command {name} stands and may still be"
        " carried out; `firebreak describe` shows what came of it."
    )
