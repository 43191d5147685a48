"""Enrolling a namespace: our own record of its mode, and the RoleBindings that let us act, and tell owners.

RBAC, not code, keeps the executor out of a namespace that nobody enrolled.
"""

from contextlib import suppress

from activities.ports import ENROLMENTS, ROLE_BINDINGS, Cluster
from activities.release import look
from deploy.identities import EXECUTOR_ROLE
from deploy.rbac import executor_binding, liaison_binding
from signals.approvals import Answer, Approval
from signals.errors import Conflict, NotFound, Refused
from signals.subjects import API_VERSION, DOMAIN, LIAISON_ROLE, NAMESPACE


async def enrol(cluster: Cluster, approval: Approval) -> Answer:
    """Put a namespace under Firebreak's care, or change its mode; all of it stands when this returns.

    Raises:
        Refused: it is our own namespace, or the API server will not.
    """
    name = approval.namespace
    if name == NAMESPACE:
        raise Refused("Firebreak never acts on its own namespace")
    ref = ENROLMENTS.ref(name)
    manifest = {
        "apiVersion": f"{DOMAIN}/{API_VERSION}",
        "kind": "Enrolment",
        "metadata": {"name": name},
        "spec": {"mode": approval.mode.value},
    }
    for binding in (executor_binding(name), liaison_binding(name)):
        try:
            await cluster.create(ROLE_BINDINGS.ref(binding["metadata"]["name"], name), binding)
        except Conflict:
            continue
        except NotFound as error:
            raise Refused(f"there is no namespace {name!r}") from error
    try:
        await cluster.create(ref, manifest)
    except Conflict:
        await cluster.patch(ref, [{"op": "replace", "path": "/spec/mode", "value": approval.mode.value}])
    return Answer(accepted=True, message=f"namespace {name} is enrolled in mode {approval.mode}")


async def unenrol(cluster: Cluster, approval: Approval) -> Answer:
    """Take a namespace out of Firebreak's care, and with it the right to act there.

    Raises:
        Refused: something of ours stands there, which could not be put back any more.
    """
    name = approval.namespace
    found, blind = await look(cluster, [name])
    if blind:
        raise Refused(f"what stands in {name} cannot be told: {'; '.join(blind)}")
    stands = {one.incident or one.case for one in found}
    if stands:
        raise Refused(f"something still stands in {name}: undo {', '.join(sorted(stands)[:5])} first")
    try:
        await cluster.delete(ENROLMENTS.ref(name))
    except NotFound:
        return Answer(accepted=False, message=f"namespace {name} is not enrolled")
    for role in (EXECUTOR_ROLE, LIAISON_ROLE):
        with suppress(NotFound):
            await cluster.delete(ROLE_BINDINGS.ref(role, name))
    return Answer(accepted=True, message=f"namespace {name} is no longer enrolled")
