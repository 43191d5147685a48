"""Answers other agents about the past: a state, what changed around something, and the slice of an incident.

Each answer is read from the file by a connection of its own, in a thread: whoever writes is not held up.
"""

import asyncio
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from pydantic import BaseModel, ValidationError

from activities.adapters.version_file import VersionFile
from activities.adapters.version_slices import cut, keep
from activities.graph.past import Held, State, Version, Why, micros, moment
from signals.entities import ClusterRef, Entity
from signals.errors import BadInput, Unavailable
from signals.observations import Observation, Observations, ObservationsQuery
from signals.past import SliceAnswer, SliceQuery, StateAnswer, StateQuery
from signals.subjects import CONTEXT_STORE, NAMESPACE

PAGE_BYTES = 1 << 20
"""About how much one page of a state holds."""
QUIET = frozenset({"EndpointSlice", "ReplicaSet", "Node", "Job", "Service", "Namespace"})
"""Kinds whose changes are no observations: controllers make them all the time, or they decide little."""
MACHINERY = ("system:apiserver", "system:kube-", "system:node:", "system:serviceaccount:kube-system:")
"""Whose changes only follow from somebody else's."""
OURS = f"system:serviceaccount:{NAMESPACE}:"
MOST_OBSERVED = 12
"""Changes in one answer: an incident has room for the latest, `context diff` for all."""
MOST_MISSING = 40

M = TypeVar("M", bound=BaseModel)


class PastAnswers:
    """Answers from one file, about one cluster."""

    def __init__(self, file: Path, slices: Path, cluster: ClusterRef) -> None:
        """Read this file, and keep slices in this folder."""
        self._file = file
        self._slices = slices
        self._cluster = cluster

    async def state(self, question: bytes) -> bytes:
        """Answer a `StateQuery`."""
        query = _read(StateQuery, question)
        return (await asyncio.to_thread(self._state, query)).model_dump_json().encode()

    async def observations(self, question: bytes) -> bytes:
        """Answer an `ObservationsQuery`: what changed in the namespace of a thing, and around it."""
        query = _read(ObservationsQuery, question)
        return (await asyncio.to_thread(self._observations, query)).model_dump_json().encode()

    async def slice(self, question: bytes) -> bytes:
        """Answer a `SliceQuery`."""
        query = _read(SliceQuery, question)
        return (await asyncio.to_thread(self._slice, query)).model_dump_json().encode()

    def _state(self, query: StateQuery) -> StateAnswer:
        with VersionFile(self._file) as store:
            state = store.state_at(micros(query.at))
            rest = sorted((held for held in state.held if held[1] > query.after), key=lambda held: held[1])
            items, following = _page(store.manifests(rest, query.kinds, query.namespaces))
        return StateAnswer(
            at=query.at,
            objects=len(state.held),
            uncertain=state.uncertain,
            missing=_missing(state),
            items=tuple(items),
            next=following,
        )

    def _observations(self, query: ObservationsQuery) -> Observations:
        since, until = micros(query.since), micros(query.until)
        with VersionFile(self._file) as store:
            found = store.between(since, until, [query.entity.namespace or ""])
            known_since = _complete_since(store.state_at(since), store.gaps(since, until))
        last = {version.named.uid: version.id for version in found}
        seen = sorted(
            (
                one
                for version in found
                for one in self._changes(version, since, until, last=last[version.named.uid] == version.id)
            ),
            key=lambda one: one.at,
        )
        kept = seen[-min(query.limit, MOST_OBSERVED) :]
        return Observations(
            agent=CONTEXT_STORE,
            observations=tuple(kept),
            complete_since=known_since,
            left_out=len(seen) - len(kept),
        )

    def _changes(self, version: Version, since: int, until: int, *, last: bool) -> Iterator[Observation]:
        """Yield that a version began, and if it is an object's last, that it ended."""
        if version.named.kind in QUIET:
            return
        began = ("wrote", version.begins, version.cause)
        ended = ("deleted", version.ends, version.end_cause)
        for what, when, cause in (began, ended) if last else (began,):
            # What was there before the first listing, or went on with it, was changed by nobody now.
            if not since <= when.lo <= when.at <= until:
                continue
            user = cause.user if cause else "somebody"
            if user.startswith((*MACHINERY, OURS)):
                continue
            yield Observation(
                id=f"{CONTEXT_STORE}:{version.id}:{what}",
                at=moment(when.at),
                until=moment(when.at),
                what=f"{user} {what} {version.named}",
                entities=(self._entity(version),),
            )

    def _entity(self, version: Version) -> Entity:
        named = version.named
        return Entity(
            cluster=self._cluster,
            kind=named.kind,
            name=named.name,
            namespace=named.namespace or None,
            uid=named.uid,
        )

    def _slice(self, query: SliceQuery) -> SliceAnswer:
        since, until = micros(query.since), micros(query.until)
        with VersionFile(self._file) as store:
            found = cut(store, query.incident, since, until, query.namespaces)
            kept = keep(slice_file(self._slices, query.incident), found)
            missing = _missing(store.state_at(until))
        return SliceAnswer(versions=kept.versions, head=kept.head, missing=missing)


def prune(folder: Path, most_bytes: int) -> int:
    """Delete the oldest slices until the folder fits; return how many went."""
    try:
        found = sorted(
            ((file.stat(), file) for file in folder.glob("*.jsonl")), key=lambda one: one[0].st_mtime
        )
        total, gone = sum(status.st_size for status, _ in found), 0
        for status, file in found:
            if total <= most_bytes:
                break
            file.unlink(missing_ok=True)
            total, gone = total - status.st_size, gone + 1
    except OSError as error:
        raise Unavailable(f"{folder} cannot be kept small: {error.strerror}") from error
    return gone


def slices_folder(file: Path) -> Path:
    """Return the folder beside a store's file in which slices are kept."""
    return file.parent / "incidents"


def slice_file(folder: Path, incident: str) -> Path:
    """Return where the slice of an incident is kept."""
    return folder / f"{incident}.jsonl"


def _page(found: "Iterator[tuple[Held, dict[str, Any]]]") -> tuple[list[dict[str, Any]], int | None]:
    """Return manifests up to about a page, and where the next page begins."""
    items: list[dict[str, Any]] = []
    size, last = 0, 0
    for held, manifest in found:
        if size > PAGE_BYTES:
            return items, last
        size += len(msgspec.json.encode(manifest))
        items.append(manifest)
        last = held[1]
    return items, None


def _missing(state: State) -> tuple[str, ...]:
    return tuple(str(one) for one in state.missing[:MOST_MISSING])


def _complete_since(state: State, gaps: list[Any]) -> datetime | None:
    """Return from when on every change was seen; None where a watch is behind."""
    if any(one.why is Why.BEHIND for one in state.missing):
        return None
    return moment(max((one.hi for one in gaps), default=0)) if gaps else moment(state.at)


def _read(model: type[M], question: bytes) -> M:
    try:
        found = model.model_validate_json(question)
    except ValidationError as error:
        raise BadInput(f"this is no {model.__name__}: {error.errors()[0]['msg']}") from error
    for value in found.__dict__.values():
        if isinstance(value, datetime) and value.tzinfo is None:
            raise BadInput(f"a {model.__name__} names its moments with a time zone")
    return found
