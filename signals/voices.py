"""Whether those who spoke may decide this, and are enough. Pure; the liaison asks, and the executor asks again."""

from datetime import timedelta

from signals.approvals import Approval, Verb, Via, Voice
from signals.authority import Matter, spoken_as
from signals.errors import Refused
from signals.people import People, Person
from signals.policy import Policy

ALWAYS = (Verb.STOP,)
"""What anybody may say whom RBAC lets speak, whoever they are."""
STRANGERS = (*ALWAYS, Verb.REJECT)
"""What may be said by those whom a policy that names people does not name."""
HARMLESS = (*ALWAYS, Verb.EXTEND)
"""What may be said by whoever is implicated: it holds what stands."""


def check(policy: Policy, approval: Approval, verb: Verb, matter: Matter) -> None:
    """Return if everybody who said this may, and they are enough.

    Raises:
        Refused: somebody may not, or another person is needed; the text is for them.
    """
    for voice in approval.voices:
        why = objection(policy, verb, matter, voice)
        if why:
            raise Refused(why)
    need, have = policy.authority.asked(verb, matter).people, len(persons(policy, approval))
    if have < need:
        raise Refused(f"{have} of {need} people have said {verb}: it takes {need} different people by policy")


def persons(policy: Policy, approval: Approval) -> tuple[str, ...]:
    """Return who has said it, each once, whatever accounts they used."""
    people = People(policy.people)
    return tuple(dict.fromkeys(people.counted_as(voice.actor) for voice in reversed(approval.voices)))


def objection(policy: Policy, verb: Verb, matter: Matter, voice: Voice) -> str:
    """Return why this person may not decide this, or nothing."""
    people = People(policy.people)
    person = people.of_command(voice.actor, voice.via)
    return (
        _unknown(people, person, verb, voice)
        or _role(policy, person, verb, matter, voice)
        or _implicated(person, verb, matter, voice)
        or _irreversible(policy, verb, matter, voice)
    )


def _unknown(people: People, person: Person | None, verb: Verb, voice: Voice) -> str:
    if person is not None or (verb in STRANGERS and not voice.via):
        return ""
    if voice.via:
        return f"the policy in force names nobody {voice.actor!r}: a lead adds them under `people`"
    if people:
        return (
            f"the policy names people, and none with the account {voice.actor!r}: a lead adds it under `people`;"
            " until then it can only reject and stop"
        )
    return ""


def _role(policy: Policy, person: Person | None, verb: Verb, matter: Matter, voice: Voice) -> str:
    """Return which capacity or user group they lack."""
    if verb in ALWAYS:
        return ""
    if person and voice.role not in spoken_as(person.role):
        return f"{voice.actor} is not {voice.role} by policy"
    demand = policy.authority.asked(verb, matter)
    lacks = demand.lacks_role(spoken_as(voice.role))
    if lacks:
        return f"{lacks}, and you spoke as {voice.role}"
    if voice.via == Via.SLACK or voice.groups is not None:
        return demand.lacks_group(voice.groups or ())
    return ""


def _implicated(person: Person | None, verb: Verb, matter: Matter, voice: Voice) -> str:
    if verb in HARMLESS:
        return ""
    own = (one for one in matter.implicated if one == voice.actor or (person and person.owns(one)))
    account = next(own, "")
    if not account:
        return ""
    return (
        f"{account} did what is under suspicion here, or is under it: {voice.actor} does not decide about that."
        " Ask somebody else; `firebreak release` is the way out where there is nobody"
    )


def _irreversible(policy: Policy, verb: Verb, matter: Matter, voice: Voice) -> str:
    """Return why what nothing brings back is not approved from where they spoke."""
    lasting = sorted({*policy.authority.irreversible} & {*matter.actions})
    if verb is not Verb.APPROVE or not lasting or not voice.via:
        return ""
    what = f"{', '.join(lasting)} cannot be undone, and is not approved in Slack alone"
    where = "open the approval page and log in, or say `firebreak approve` under your own kubeconfig"
    if voice.via != Via.PAGE:
        return f"{what}: {where}"
    allowed = timedelta(seconds=policy.authority.login_seconds)
    at = voice.authenticated_at
    if at is None or not timedelta(minutes=-1) < voice.said_at - at <= allowed:
        minutes = policy.authority.login_seconds // 60
        return f"{', '.join(lasting)} cannot be undone: log in again, and decide within {minutes} minutes"
    return ""
