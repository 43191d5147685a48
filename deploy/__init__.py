"""What is shipped: generated RBAC, custom resources, admission policies, server configuration, drills."""

from typing import Any

from deploy.admission import admission_policies
from deploy.capturing import capturing_policies
from deploy.crds import custom_resources
from deploy.freezing import freezing_policies
from deploy.rbac import namespace, roles, service_accounts


def manifests() -> list[dict[str, Any]]:
    """Return everything that an installation creates in a cluster, in the order to apply it."""
    return [
        namespace(),
        *custom_resources(),
        *service_accounts(),
        *roles(),
        *admission_policies(),
        *freezing_policies(),
        *capturing_policies(),
    ]
