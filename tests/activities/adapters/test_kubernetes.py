"""What an API server says in trouble, in our words: told by a server that is in trouble on purpose."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest
import yaml
from aiohttp import web

from activities.adapters import kubernetes_http
from activities.adapters.kubernetes import KubernetesCluster, connect
from activities.ports import NETWORK_POLICIES, Change, Manifest
from signals.entities import ClusterRef
from signals.errors import BadInput, Conflict, FirebreakError, NotFound, Refused, Unavailable
from tests.activities.clusters import fresh_namespace, real
from tests.control_plane import ControlPlane

REF = NETWORK_POLICIES.ref("p", "shop")
POLICY: Manifest = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "spec": {"podSelector": {}},
}
LAB = ClusterRef(name="lab", uid="lab")
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def kubeconfig(folder: Path, url: str) -> Path:
    body = {
        "clusters": [{"name": "lab", "cluster": {"server": url}}],
        "users": [{"name": "lab", "user": {"token": "t"}}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "lab"}}],
        "current-context": "lab",
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(body))
    return path


@asynccontextmanager
async def answering(answer: Answer, folder: Path) -> AsyncIterator[KubernetesCluster]:
    """Yield a cluster whose API server answers every request by `answer`."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application, shutdown_timeout=0.2)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    cluster = await connect(kubeconfig(folder, f"http://{host}:{port}"), None, "lab", LAB)
    try:
        yield cluster
    finally:
        await cluster.close()
        await runner.cleanup()


def status(code: int, message: str = "no", **more: object) -> web.Response:
    return web.json_response({"kind": "Status", "code": code, "message": message, **more}, status=code)


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (lambda: status(400, "admission webhook x denied the request: no"), Refused),
        (lambda: status(400), BadInput),
        (lambda: status(401), Refused),
        (lambda: status(403), Refused),
        (lambda: status(404), NotFound),
        (lambda: web.Response(status=404, text="404 page not found"), NotFound),
        (lambda: status(409), Conflict),
        (lambda: status(422, "the server rejected our request", details={}), Conflict),
        (lambda: status(422, "spec is invalid", details={"name": "p"}), BadInput),
        (lambda: status(422, "ValidatingAdmissionPolicy 'x' denied request: no", details={}), Refused),
        (lambda: status(429), Unavailable),
        (lambda: status(500), Unavailable),
        (lambda: web.Response(status=200, text="{"), Unavailable),
    ],
)
async def test_each_answer_of_the_api_server_is_one_of_our_errors(
    tmp_path: Path, response: Callable[[], web.Response], expected: type[FirebreakError]
) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(text="ok") if request.path == "/readyz" else response()

    async with answering(answer, tmp_path) as cluster:
        with pytest.raises(expected):
            await cluster.patch(REF, [])


async def test_a_server_that_comes_up_refuses_everybody_and_is_asked_again_once_it_is_ready(
    tmp_path: Path,
) -> None:
    asked: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        if asked.count("/readyz") < 3:
            return status(403, 'User "lead" cannot get resource "networkpolicies"')
        return web.json_response({"metadata": {}})

    async with answering(answer, tmp_path) as cluster:
        await cluster.patch(REF, [])
    path = kubernetes_http.path_of(REF)
    assert asked == [path, "/readyz", "/readyz", "/readyz", path]


async def test_a_refusal_is_believed_in_the_end_where_nobody_may_ask_whether_the_server_is_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubernetes_http, "STARTING_SECONDS", 0.3)

    async def answer(_: web.Request) -> web.StreamResponse:
        return status(403)

    async with answering(answer, tmp_path) as cluster:
        with pytest.raises(Refused):
            await cluster.patch(REF, [])


async def test_a_server_that_asks_to_wait_says_for_how_long(tmp_path: Path) -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        busy = status(429, "too many requests")
        busy.headers["Retry-After"] = "7"
        return busy

    async with answering(answer, tmp_path) as cluster:
        with pytest.raises(Unavailable) as caught:
            await cluster.patch(REF, [])
    assert caught.value.retry_after == 7


async def test_a_read_outlives_a_restart_and_a_write_does_not_repeat_itself(tmp_path: Path) -> None:
    asked: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request.method)
        return web.json_response({"metadata": {}}) if len(asked) % 3 == 0 else status(503)

    async with answering(answer, tmp_path) as cluster:
        assert await cluster.get(REF) == {"metadata": {}}
        assert asked == ["GET", "GET", "GET"]
        with pytest.raises(Unavailable):
            await cluster.patch(REF, [])
    assert asked.count("PATCH") == 1


async def test_a_server_that_stays_away_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubernetes_http, "PATIENCE_SECONDS", 0.3)
    cluster = await connect(kubeconfig(tmp_path, "http://127.0.0.1:1"), None, "lab", LAB)
    with pytest.raises(Unavailable):
        await cluster.get(REF)
    with pytest.raises(Unavailable):
        await cluster.create(REF, {"kind": "NetworkPolicy"})
    await cluster.close()


async def test_every_write_says_who_writes_and_a_delete_says_all_in_its_body(tmp_path: Path) -> None:
    seen: dict[str, tuple[dict[str, str], Manifest]] = {}

    async def answer(request: web.Request) -> web.StreamResponse:
        seen[request.method] = (dict(request.query), await request.json())
        return web.json_response({})

    async with answering(answer, tmp_path) as cluster:
        await cluster.create(REF, {"kind": "NetworkPolicy"}, dry_run=True)
        await cluster.patch(REF, [{"op": "test", "path": "/a", "value": 1}], dry_run=True)
        await cluster.delete(REF.model_copy(update={"uid": "u"}), dry_run=True)
    assert seen["POST"][0] == {"fieldManager": "firebreak", "dryRun": "All"}
    assert seen["PATCH"][0] == {"fieldManager": "firebreak", "dryRun": "All"}
    query, body = seen["DELETE"]
    assert query == {}
    assert body["dryRun"] == ["All"]
    assert body["preconditions"] == {"uid": "u"}


def item(name: str, version: str) -> Manifest:
    return {"metadata": {"name": name, "uid": name, "resourceVersion": version}}


async def test_a_watch_goes_on_after_it_lost_its_place(tmp_path: Path) -> None:
    """First listing: a and b. The watch breaks off, then its version is gone; b vanished and c came."""
    listings = [[item("a", "1"), item("b", "2")], [item("a", "1"), item("c", "9")]]
    broken = [{"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "11"}}}]
    lost = [{"type": "ERROR", "object": {"code": 410, "message": "too old"}}]
    streams = [broken, lost, [{"type": "MODIFIED", "object": item("c", "12")}]]
    watches: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        if "watch" in request.query:
            watches.append(request.query["resourceVersion"])
            return web.Response(text="".join(json.dumps(event) + "\n" for event in streams.pop(0)))
        kind = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicyList"}
        return web.json_response({**kind, "metadata": {"resourceVersion": "10"}, "items": listings.pop(0)})

    seen: list[tuple[str, str]] = []
    async with answering(answer, tmp_path) as cluster, aclosing(cluster.watch(NETWORK_POLICIES)) as stream:
        async for change in stream:
            seen.append((change.type, (change.object.get("metadata") or {}).get("name", "")))
            if change.type == "MODIFIED":
                break
    assert watches == ["10", "11", "10"]
    assert seen == [
        ("ADDED", "a"),
        ("ADDED", "b"),
        ("SYNCED", ""),
        ("DELETED", "b"),
        ("ADDED", "c"),
        ("MODIFIED", "c"),
    ]


@pytest.mark.parametrize("text", ["", "not: [valid", "clusters: []\n"])
async def test_a_kubeconfig_that_cannot_be_used_is_bad_input(tmp_path: Path, text: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    with pytest.raises(BadInput):
        await connect(path, None, "lab", LAB)


async def test_an_unknown_context_and_a_missing_file_are_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput):
        await connect(kubeconfig(tmp_path, "http://127.0.0.1:1"), "other", "lab", LAB)
    with pytest.raises(BadInput):
        await connect(tmp_path / "none", None, "lab", LAB)


@pytest.mark.stack
async def test_a_cluster_is_known_by_the_uid_of_kube_system(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    async with real(control_plane, tmp_path, ref=None) as cluster:
        system = control_plane.admin.call("GET", "/api/v1/namespaces/kube-system").body
        assert cluster.ref == ClusterRef(name="real", uid=system["metadata"]["uid"])


@pytest.mark.stack
async def test_the_server_remembers_us_as_firebreak(control_plane: ControlPlane, tmp_path: Path) -> None:
    async with real(control_plane, tmp_path) as cluster:
        space = await fresh_namespace(cluster)
        made = await cluster.create(NETWORK_POLICIES.ref("p", space), POLICY)
    assert [entry["manager"] for entry in made["metadata"]["managedFields"]] == ["firebreak"]


@pytest.mark.stack
async def test_a_watch_on_a_real_server_resumes_where_its_connection_broke(
    control_plane: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubernetes_http, "WATCH_SECONDS", 1)
    changes: asyncio.Queue[Change] = asyncio.Queue()

    async with real(control_plane, tmp_path) as cluster:
        space = await fresh_namespace(cluster)

        async def follow() -> None:
            async with aclosing(cluster.watch(NETWORK_POLICIES, space)) as stream:
                async for change in stream:
                    changes.put_nowait(change)

        task = asyncio.create_task(follow())
        assert (await changes.get()).type == "SYNCED"
        for number in range(3):
            await cluster.create(NETWORK_POLICIES.ref(f"p{number}", space), POLICY)
            change = await asyncio.wait_for(changes.get(), 10)
            assert (change.type, change.object["metadata"]["name"]) == ("ADDED", f"p{number}")
            await asyncio.sleep(1.1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert changes.empty()
