"""What the context store remembers, as JSON and as rows for people."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from activities.adapters.version_file import VersionFile
from activities.graph.changes import places
from activities.graph.chronology import FOREVER, SECOND, When
from activities.graph.past import State, Version, written
from signals.errors import BadInput

ALIASES = {
    "sa": "ServiceAccount",
    "ns": "Namespace",
    "svc": "Service",
    "netpol": "NetworkPolicy",
    "deploy": "Deployment",
    "sts": "StatefulSet",
    "ds": "DaemonSet",
    "rs": "ReplicaSet",
    "po": "Pod",
    "cj": "CronJob",
}
"""Short names of kinds, as kubectl has them."""
HISTORY = ("since", "until", "sure to", "by", "what changed")
DIFF = ("", "object", "where")
MOST_PLACES = 4
CREATED, DELETED = "created", "deleted"
Row = tuple[str, ...]


def entity(text: str) -> tuple[str, str, str]:
    """Return kind, namespace and name of `pod/shop/web-0` or `node/n1`.

    Raises:
        BadInput: it is neither.
    """
    parts = text.split("/")
    if len(parts) not in (2, 3) or not all(parts):
        raise BadInput(f"“{text}” names no object: write pod/NAMESPACE/NAME, or node/NAME.")
    kind = ALIASES.get(parts[0].lower(), parts[0])
    return kind, parts[1] if len(parts) == 3 else "", parts[-1]


def snapshot(
    store: VersionFile, state: State, kinds: Iterable[str], namespaces: Iterable[str]
) -> dict[str, Any]:
    """Return a state as a List, which `--snapshot` reads, with what is not certain about it beside the items."""
    some, where = tuple(kinds), tuple(namespaces)
    items = [manifest for _, manifest in store.manifests(state.held, some, where)]
    return {
        "apiVersion": "v1",
        "kind": "List",
        "at": written(state.at),
        "missing": [one.document() for one in state.missing if not some or one.kind in some],
        "uncertain": uncertain(store, state, some, where),
        "items": sorted(items, key=_order),
    }


def _order(manifest: dict[str, Any]) -> tuple[str, ...]:
    metadata = manifest["metadata"]
    where = metadata.get("namespace", "")
    return manifest["apiVersion"], manifest["kind"], where, metadata["name"], metadata["uid"]


def uncertain(
    store: VersionFile, state: State, kinds: tuple[str, ...] = (), namespaces: tuple[str, ...] = ()
) -> list[dict[str, Any]]:
    """Return the versions of which it is not certain whether they were in force, the likeliest marked."""
    likely = {one[1] for one in state.held}
    numbers = [one[1] for one in (*state.held, *state.unsure) if not one[2]]
    return [
        {**one.document(), "likeliest": one.id in likely}
        for one in store.versions(numbers)
        if (not kinds or one.named.kind in kinds) and (not namespaces or one.named.namespace in namespaces)
    ]


def counts(items: Iterable[dict[str, Any]]) -> list[Row]:
    """Return rows of kinds and how many objects each has."""
    return [(kind, str(count)) for kind, count in sorted(Counter(one["kind"] for one in items).items())]


def history(store: VersionFile, versions: list[Version]) -> Iterator[tuple[Version, list[str]]]:
    """Yield versions with what each changed of the one before."""
    before: dict[str, Any] | None = None
    uid = ""
    for version in versions:
        manifest = store.body(version)
        if before is None or version.named.uid != uid:
            yield version, [CREATED]
        else:
            yield version, places(before, manifest)
        before, uid = manifest, version.named.uid


def history_row(version: Version, changed: list[str]) -> Row:
    """Return one version as a row."""
    more = [f"… and {len(changed) - MOST_PLACES} more"] if len(changed) > MOST_PLACES else []
    by = f"{version.cause.user} ({version.cause.verb})" if version.cause else "not known"
    end = written(version.ends.at) or "still"
    if version.end_cause:
        end += f", {version.end_cause.verb} by {version.end_cause.user}"
    return (
        written(version.begins.at) or "",
        end,
        spread(version.begins),
        by,
        ", ".join(changed[:MOST_PLACES] + more),
    )


def spread(when: When) -> str:
    """Return how exactly a moment is known."""
    if when.hi >= FOREVER:
        return ""
    seconds = (when.hi - when.lo) / SECOND
    return f"{seconds:.3f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def differences(store: VersionFile, before: State, after: State) -> list[dict[str, Any]]:
    """Return what is different between two moments, by object, with who made the later version."""
    old, new = ({one[0]: one[1] for one in state.held} for state in (before, after))
    moved = {number for number in {*old, *new} if old.get(number) != new.get(number)}
    bodies = {
        held[1]: manifest
        for state in (before, after)
        for held, manifest in store.manifests([one for one in state.held if one[0] in moved])
    }
    causes = {one.id: one for one in store.versions({*bodies})}
    found = []
    for number in moved:
        was, is_ = bodies.get(old.get(number, 0)), bodies.get(new.get(number, 0))
        version = causes[new.get(number, old.get(number, 0))]
        cause = version.cause if is_ is not None else version.end_cause
        what = CREATED if was is None else DELETED if is_ is None else "changed"
        named = version.named
        found.append(
            {
                "what": what,
                "kind": named.kind,
                "namespace": named.namespace or None,
                "name": named.name,
                "uid": named.uid,
                "where": places(was, is_) if was is not None and is_ is not None else [],
                "cause": cause.document() if cause else None,
            }
        )
    return sorted(found, key=lambda one: (one["kind"], one["namespace"] or "", one["name"], one["what"]))


def diff_row(one: dict[str, Any]) -> Row:
    """Return one difference as a row."""
    name = f"{one['namespace']}/{one['name']}" if one["namespace"] else one["name"]
    by = f" by {one['cause']['user']}" if one["cause"] else ""
    return one["what"] + by, f"{one['kind']} {name}", ", ".join(one["where"][:MOST_PLACES])
