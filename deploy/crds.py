"""Our own kinds: what people say (`Command`), where we may act (`Enrolment`), whose tokens stop (`Freeze`)."""

from typing import Any

from signals.approvals import Verb, Via
from signals.stops import ORDERS
from signals.subjects import API_VERSION, DOMAIN, NAMESPACE, SYSTEM_NAMESPACES
from signals.threats import Mode
from signals.verdicts import Verdict

Manifest = dict[str, Any]

MAX_TARGETS = 500
"""Most target UIDs that one command names: the largest storm."""
MAX_SECONDS = 30 * 24 * 3600
"""Longest extension, in seconds."""

UID = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
UNFREEZABLE = (NAMESPACE, *SYSTEM_NAMESPACES)
"""Namespaces whose pods' credentials are never frozen."""

_ANSWERS = f"self.verb in ['{Verb.APPROVE}', '{Verb.REJECT}']"
_ORDERS = f"self.verb in {[str(verb) for verb in ORDERS]}"
_SNOOZES = f"self.verb == '{Verb.SNOOZE}'"
_ENDS = f"self.verb == '{Verb.END_EXCEPTION}'"
_ABOUT_NAMESPACE = f"self.verb in ['{Verb.ENROL}', '{Verb.UNENROL}']"


def custom_resources() -> list[Manifest]:
    """Return the definitions of all kinds."""
    return [_commands(), _enrolments(), _freezes()]


def _text(longest: int, description: str) -> Manifest:
    return {"type": "string", "maxLength": longest, "description": description}


def _choice(values: list[str], description: str) -> Manifest:
    return {"type": "string", "enum": values, "description": description}


def _flag(description: str) -> Manifest:
    return {"type": "boolean", "description": description}


def _commands() -> Manifest:
    modes = [str(mode) for mode in Mode]
    spec = {
        "type": "object",
        "required": ["verb", "actor", "role"],
        "properties": {
            "verb": _choice([str(verb) for verb in Verb], "What is said."),
            "incident": _text(253, "The incident it is said about."),
            "stop": _text(64, "resume: UID of the Command that stopped Firebreak."),
            "fromPolicy": _text(64, "approve-policy: digest of the policy in force."),
            "toPolicy": _text(64, "approve-policy: digest of the policy that may replace it."),
            "group": _text(253, "approve and reject: everything that waits for this limit, instead."),
            "actor": _text(
                256, "Who speaks: the user name that the API server knows; with `via`, a person's name."
            ),
            "role": _choice(["oncall", "lead"], "The authority that is used."),
            "planHash": _text(64, "The plan, or the list of a group, that an approval is bound to."),
            "targetUIDs": {
                "type": "array",
                "maxItems": MAX_TARGETS,
                "items": {"type": "string", "maxLength": 64},
                "description": "UIDs of the objects that an approval is bound to.",
            },
            "reason": _text(1000, "Why, in the person's own words."),
            "seconds": {
                "type": "integer",
                "minimum": 0,
                "maximum": MAX_SECONDS,
                "description": "extend: how much longer, in seconds; snooze: for how long.",
            },
            "keep": _flag("close: leave what is applied in place."),
            "undo": _flag("close: put everything back first."),
            "force": _flag("undo: remove our own marks even where somebody else changed the object."),
            "namespace": _text(63, "enrol, unenrol and snooze: the namespace."),
            "verdict": _choice([str(one) for one in Verdict], "close and judge: what it was."),
            "rule": _text(300, "snooze: the rule that is expected."),
            "workload": _text(317, "snooze: the workload that it is expected of, as Deployment/web."),
            "image": _text(512, "snooze: the image that it is expected of, instead of a workload."),
            "exception": _text(64, "end-exception: which."),
            "mode": _choice(modes, "enrol: what Firebreak may do there; shadow when nothing is said."),
            **_elsewhere(),
        },
        "x-kubernetes-validations": [
            {"rule": "self == oldSelf", "message": "a command is never changed; say another one"},
            {
                "rule": f"{_ABOUT_NAMESPACE} ? has(self.namespace) : "
                f"({_ORDERS} || {_ENDS} || has(self.incident) || has(self.group))",
                "message": "enrol and unenrol need a namespace, what is said in an incident needs that",
            },
            {
                "rule": f"self.verb != '{Verb.RESUME}' || has(self.stop)",
                "message": "a resume names the stop that it lifts",
            },
            {
                "rule": f"self.verb != '{Verb.APPROVE_POLICY}' || (has(self.fromPolicy) && has(self.toPolicy))",
                "message": "approve-policy names the policy in force and the one that may replace it",
            },
            {
                "rule": "has(self.via) == has(self.nonce) && (!has(self.authenticatedAt) "
                f"|| (has(self.via) && self.via == '{Via.PAGE}'))",
                "message": "what was said elsewhere names where and a nonce, and the page alone logs people in",
            },
            {
                "rule": f"self.verb != '{Verb.JUDGE}' || has(self.verdict)",
                "message": "a judgement says what it was",
            },
            {"rule": f"!({_ENDS}) || has(self.exception)", "message": "say which exception ends"},
            {
                "rule": f"!({_SNOOZES}) || (has(self.rule) && has(self.namespace) && has(self.reason) "
                "&& size(self.reason) > 0 && has(self.seconds) && self.seconds > 0 "
                "&& has(self.workload) != has(self.image))",
                "message": "a snooze names rule, namespace, workload or image, reason and seconds",
            },
            {
                "rule": f"!has(self.group) || (!has(self.incident) && {_ANSWERS})",
                "message": "a group is approved or rejected, and is said instead of an incident",
            },
        ],
    }
    status = {
        "type": "object",
        "properties": {
            "accepted": _flag("Whether it was done."),
            "message": _text(4000, "What came of it, or why not."),
            "at": {"type": "string", "format": "date-time"},
        },
    }
    columns = [
        _column("Verb", ".spec.verb"),
        _column("Incident", ".spec.incident"),
        _column("Actor", ".spec.actor"),
        _column("Via", ".spec.via"),
        _column("Accepted", ".status.accepted", "boolean"),
        _column("Message", ".status.message"),
    ]
    version = _version({"spec": spec, "status": status}, columns)
    return _definition("Command", "commands", "Namespaced", {**version, "subresources": {"status": {}}})


def _elsewhere() -> Manifest:
    """Return what the liaison adds when it says for a person what they said elsewhere."""
    return {
        "via": _choice([str(via) for via in Via], "Where it was said; absent under one's own credentials."),
        "nonce": _text(
            128, "With `via`: names the question that was shown, so that two clicks are one answer."
        ),
        "authenticatedAt": {
            "type": "string",
            "format": "date-time",
            "description": "With `via: page`: when this person last logged in.",
        },
    }


def _enrolments() -> Manifest:
    spec = {
        "type": "object",
        "required": ["mode"],
        "properties": {"mode": _choice([str(mode) for mode in Mode], "What Firebreak may do there.")},
    }
    version = _version({"spec": spec}, [_column("Mode", ".spec.mode")])
    version["schema"]["openAPIV3Schema"]["x-kubernetes-validations"] = [
        {
            "rule": f"self.metadata.name != '{NAMESPACE}'",
            "message": f"namespace {NAMESPACE} is never a target",
        },
        {"rule": "size(self.metadata.name) <= 63", "message": "the name must be that of a namespace"},
    ]
    return _definition("Enrolment", "enrolments", "Cluster", version)


def _freezes() -> Manifest:
    spec = {
        "type": "object",
        "required": ["podUID", "namespace", "pod", "serviceAccount"],
        "properties": {
            "podUID": {
                **_text(36, "Every write with a token that is bound to the pod of this UID is refused."),
                "pattern": UID,
            },
            "namespace": _text(63, "Where that pod is."),
            "pod": _text(253, "Its name, for people."),
            "serviceAccount": _text(253, "Whose tokens it holds, for people."),
        },
        "x-kubernetes-validations": [
            {"rule": "self == oldSelf", "message": "a freeze is never changed; delete it, and make another"},
        ],
    }
    columns = [
        _column("Namespace", ".spec.namespace"),
        _column("Pod", ".spec.pod"),
        _column("Account", ".spec.serviceAccount"),
        _column("Case", ".metadata.labels.firebreak\\.dev/case"),
        _column("Expires", ".metadata.annotations.firebreak\\.dev/expires-at"),
    ]
    version = _version({"spec": spec}, columns)
    version["schema"]["openAPIV3Schema"]["x-kubernetes-validations"] = [
        {
            "rule": "self.metadata.name == self.spec.podUID",
            "message": "a freeze is named after the pod's UID: there is one for each pod",
        },
        {
            "rule": f"!(self.spec.namespace in {[*UNFREEZABLE]})",
            "message": "pods of Firebreak and of the control plane are never frozen",
        },
    ]
    return _definition("Freeze", "freezes", "Cluster", version)


def _column(name: str, path: str, kind: str = "string") -> Manifest:
    return {"name": name, "type": kind, "jsonPath": path}


def _version(properties: Manifest, columns: list[Manifest]) -> Manifest:
    return {
        "name": API_VERSION,
        "served": True,
        "storage": True,
        "schema": {
            "openAPIV3Schema": {"type": "object", "required": ["spec"], "properties": properties},
        },
        "additionalPrinterColumns": [*columns, _column("Age", ".metadata.creationTimestamp", "date")],
    }


def _definition(kind: str, plural: str, scope: str, version: Manifest) -> Manifest:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{DOMAIN}"},
        "spec": {
            "group": DOMAIN,
            "scope": scope,
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": kind.lower(),
                "categories": ["firebreak"],
            },
            "versions": [version],
        },
    }
