"""The reference of names on a wire: what Firebreak writes into clusters, NATS and Temporal, from the one table."""

from collections.abc import Iterator
from typing import Any

from deploy.crds import custom_resources
from deploy.identities import identities
from docs.rendering import documented, page, table
from signals import subjects
from signals.subjects import SEARCH_ATTRIBUTES, service_account, spiffe_id

MARKS = (
    "CASE",
    "ACTION",
    "MANAGED_BY",
    "EXPIRES_AT",
    "ON_EXPIRY",
    "INVERSE",
    "PLAN_HASH",
    "WORKFLOW",
    "MARK_PREFIX",
    "PEER_PREFIX",
)
MEANINGS = {
    "FirebreakCluster": "name of the cluster",
    "FirebreakNamespace": "namespace that it is about",
    "FirebreakState": "state of the incident",
    "FirebreakSeverity": "severity",
    "FirebreakMode": "mode of the namespace",
    "FirebreakWaitingFor": "what a person is asked; absent where nobody is",
    "FirebreakVerdict": "what it was, as said when it was closed; absent where nobody said",
    "FirebreakTier": "tier, 1 to 4",
    "FirebreakConfidence": "confidence; 0 where it is unknown",
    "FirebreakEntities": "whom it is about, as `kind/namespace/name`",
    "FirebreakTechniques": "ATT&CK techniques",
    "FirebreakDeadline": "until when a person is asked",
}


def pages() -> str:
    """Return the page of wire names."""
    told = documented(subjects)
    marks = ((f"`{_shown(name)}`", told.get(name, "")) for name in MARKS)
    attributes = ((f"`{name}`", kind, MEANINGS[name]) for name, kind in SEARCH_ATTRIBUTES.items())
    agents = (
        (
            f"`{one.agent}`",
            f"`{service_account(one.agent)}`",
            f"`{spiffe_id(one.agent)}`",
            "<br>".join(f"`{name}`" for name in (*one.streams, *one.buckets)) or "none",
        )
        for one in identities()
    )
    parts = [
        "## Labels and annotations",
        "On objects that we created, and on pods that we marked. Each names its incident and its own inverse.",
        table(("Name", "Meaning"), marks),
        "## Custom resources",
        *_resources(),
        "## Agents",
        "One row an agent: process, task queue, ServiceAccount and identity on the bus are one name.",
        table(("Agent", "Kubernetes user", "Certificate", "Own streams and buckets"), agents),
        "## Temporal",
        "`IncidentWorkflow` has the incident's id, `RemediationWorkflow` that id and `/remediation`. Updates:"
        " `approve`, `reject`, `undo`, `extend`, `stand_down`, `close`; they take commands that the liaison"
        " signed. Query `incident` returns the whole incident. Memo `firebreak` is its summary.",
        table(("Search attribute", "Type", "Meaning"), attributes),
    ]
    intro = "These names are stored for ever: they are only ever added to."
    return page("Names on a wire", intro, *parts)


def _shown(name: str) -> str:
    value = str(getattr(subjects, name))
    return f"{value}…" if name.endswith("_PREFIX") else value


def _resources() -> Iterator[str]:
    for made in custom_resources():
        spec = made["spec"]
        version = spec["versions"][0]
        fields: dict[str, Any] = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
        scope = "in namespace `firebreak`" if spec["scope"] == "Namespaced" else "of the whole cluster"
        yield f"### {spec['names']['kind']}"
        yield f"`{spec['group']}/{version['name']}`, {scope}."
        rows = (
            (f"`spec.{name}`", " · ".join(field.get("enum", [field["type"]])), field.get("description", ""))
            for name, field in fields.items()
        )
        yield table(("Field", "Values", "Meaning"), rows)
