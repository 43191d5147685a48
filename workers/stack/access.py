"""How an installation becomes a cluster's administrator: the embedded one's, or by a context of the user's."""

import asyncio
from pathlib import Path
from typing import Any

from signals.errors import BadInput
from workers import settings
from workers.stack import kubeconfig
from workers.stack.api import Access
from workers.stack.health import trusting
from workers.stack.layout import Layout


def of_administrator(layout: Layout) -> Access:
    """Return the access of the embedded cluster's administrator."""
    server = kubeconfig.cluster_of(layout.kubeconfig("admin"))["server"]
    pki = layout.pki
    return Access(server=server, tls=trusting(pki / "ca.crt", pki / "admin.crt", pki / "admin.key"))


async def of_context(source: Path | None, context: str, file: Path) -> Access:
    """Write `file`, a kubeconfig with that context alone, and return its access.

    Raises:
        BadInput: there is no such context, or its credentials cannot be had.
    """
    kubeconfig.one_context(source or settings.kubeconfig_file(), context, file)
    return await asyncio.to_thread(_loaded, file)


def _loaded(file: Path) -> Access:
    """Let the Kubernetes client read the credentials: it knows every plug-in that a kubeconfig may name."""
    from kubernetes import client, config

    loaded: Any = client.Configuration()
    try:
        config.load_kube_config(str(file), client_configuration=loaded)
    except (config.ConfigException, OSError, ValueError) as error:
        raise BadInput(f"{file} gives no credentials: {error}") from error
    tls = trusting(loaded.ssl_ca_cert)
    if not loaded.verify_ssl:
        raise BadInput(f"{file} does not verify the API server; add its certificate-authority")
    if loaded.cert_file and loaded.key_file:
        tls.load_cert_chain(loaded.cert_file, loaded.key_file)
    bearer = loaded.get_api_key_with_prefix("authorization") or loaded.get_api_key_with_prefix("BearerToken")
    return Access(server=loaded.host, tls=tls, headers={"Authorization": bearer} if bearer else {})
