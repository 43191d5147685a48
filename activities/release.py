"""Undoes containment from what stands in the cluster alone, with Temporal, NATS and every agent dead.

Every object that we touched names its case; every policy of ours says how its action is undone. Nothing else is
needed, and what has lost its policy (an exclusion, a mark) is found as well.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from activities import writing
from activities.action import case_label
from activities.phases import every, phases
from activities.ports import FREEZES, NETWORK_POLICIES, PODS, ROLE_BINDINGS, Cluster, Manifest, Resource
from activities.remains import Standing, of_bindings, of_freezes, of_pods, of_policies, told_in
from activities.standing import changed_by, digest
from signals.errors import FirebreakError, NotFound
from signals.plans import Write, WriteKind
from signals.subjects import CASE, INVERSE


@dataclass(frozen=True, kw_only=True)
class Released:
    """What came of one write: taken back, or why not."""

    case: str
    write: str
    done: bool
    note: str = ""


async def standing(cluster: Cluster, namespaces: Sequence[str] | None = None) -> list[Standing]:
    """Return everything of ours, the top of each stack first; `None` looks into all namespaces at once.

    Raises:
        Unavailable, Refused: the API server did not say.
    """
    return (await look(cluster, namespaces))[0]


async def look(
    cluster: Cluster, namespaces: Sequence[str] | None = None
) -> tuple[list[Standing], tuple[str, ...]]:
    """Return the same, and what could not be read beside policies and pods, and why.

    Raises:
        Unavailable, Refused: the API server did not say.
    """
    spaces: Sequence[str | None] = [None] if namespaces is None else namespaces
    both, beside = await asyncio.gather(
        every(_both(cluster, space) for space in spaces),
        every([_beside(cluster, FREEZES), *(_beside(cluster, ROLE_BINDINGS, space) for space in spaces)]),
    )
    (freezes, _), *rights = beside
    found = [one for one in of_freezes(freezes) if namespaces is None or one.namespace in namespaces]
    found += [one for bindings, _ in rights for one in of_bindings(bindings)]
    for policies, pods in both:
        found += _together([*of_policies(policies), *of_pods(pods)], policies)
    blind = tuple(dict.fromkeys(why for _, why in beside if why))
    return sorted(found, key=lambda one: (one.case, -one.index, one.namespace)), blind


async def _both(cluster: Cluster, namespace: str | None) -> list[list[Manifest]]:
    return await every(cluster.list(resource, namespace) for resource in (NETWORK_POLICIES, PODS))


async def _beside(
    cluster: Cluster, resource: Resource, namespace: str | None = None
) -> tuple[list[Manifest], str]:
    """Return objects of ours, or why they are out of sight: all else can still be put back."""
    try:
        return await cluster.list(resource, namespace, labels=CASE), ""
    except NotFound:
        return [], ""
    except FirebreakError as error:
        return [], f"{resource.plural} of ours could not be read: {error}"


async def release(
    cluster: Cluster, case: str | None, namespaces: Sequence[str] | None = None
) -> tuple[Released, ...]:
    """Undo one case, or all of them, in reverse order; what others changed meanwhile stays as they made it.

    One object that cannot be put back stops no other. It may be run again at any time.

    Raises:
        Unavailable, Refused: the API server did not say what stands.
    """
    wanted = None if case is None else {case, case_label(case)}
    stands, blind = await look(cluster, namespaces)
    results = [Released(case=case or "-", write="", done=False, note=note) for note in blind]
    for one in stands:
        if wanted is None or one.case in wanted:
            results += await _undo(cluster, one)
    return tuple(results)


async def _undo(cluster: Cluster, one: Standing) -> list[Released]:
    results = [Released(case=one.case, write="", done=True, note=note) for note in one.drift]
    for phase in reversed(phases(one.writes)):
        for write in phase:
            try:
                await writing.undo(cluster, write, force=True)
            except FirebreakError as error:
                results.append(Released(case=one.case, write=str(write), done=False, note=str(error)))
            else:
                results.append(Released(case=one.case, write=str(write), done=True))
    return results


def _together(pieces: Sequence[Standing], policies: Sequence[Manifest]) -> Iterator[Standing]:
    """Put the pieces of each action together: its policy, its marks, its exclusions."""
    order = [WriteKind.CREATE, WriteKind.MARK, WriteKind.EXCLUDE]
    ordered = sorted(pieces, key=lambda one: (one.case, one.namespace, one.mark))
    for _, group in groupby(ordered, key=lambda one: (one.case, one.namespace, one.mark)):
        parts = [*group]
        told = next((part for part in parts if part.incident), parts[0])
        writes = sorted((w for part in parts for w in part.writes), key=lambda w: order.index(w.kind))
        yield replace(told, writes=tuple(writes), drift=tuple(_drift(writes, policies)))


def _drift(writes: Iterable[Write], policies: Iterable[Manifest]) -> Iterator[str]:
    """Yield which policies are not what they were when the action left them."""
    live = {policy["metadata"]["uid"]: policy for policy in policies}
    for write in writes:
        inverse = told_in(((write.manifest or {}).get("metadata") or {}).get("annotations", {}).get(INVERSE))
        told = inverse.get("exclusions")
        for left in told if isinstance(told, list) else []:
            policy = live.get(str(left.get("uid"))) if isinstance(left, dict) else None
            if policy and digest(policy) != left.get("before"):
                name = policy["metadata"]["name"]
                yield f"{name} was changed by {changed_by(policy)} meanwhile: that stays"
