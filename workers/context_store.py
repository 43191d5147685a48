"""The context store: remembers what the cluster was at any instant, and who made it so. It can only read."""

import asyncio
from pathlib import Path

import structlog

from activities.adapters.memory import MemoryCluster
from activities.adapters.memory_following import MemoryFollowing
from activities.adapters.version_retention import forget
from activities.adapters.version_writer import VersionWriter
from activities.graph.chronology import SECOND
from activities.graph.collected import COLLECTED, METADATA_ONLY, Kind
from activities.ports import Cluster, Following
from signals.errors import FirebreakError, SettingsInvalid
from signals.subjects import CONTEXT_STORE, OBSERVATIONS, SLICES, STATE, service_subject, state_bucket
from workers import snapshots
from workers.agent import Agent, Context, until_stopped
from workers.causes import Causes
from workers.past_answers import PastAnswers, prune, slices_folder
from workers.remembering import Remembering, now
from workers.settings import Settings
from workers.tail import Tail

FILE = "versions.db"
FORGET_SECONDS = 300.0
DAY = 24 * 3600 * SECOND
UNWATCHED = "not collected: a right to list is a right to read; known only where others refer to it"

log = structlog.get_logger(__name__)


def store_file(folder: Path) -> Path:
    """Return the file of a folder that holds a context store."""
    return folder / FILE


def open_store(told: Settings, cluster: str) -> VersionWriter:
    """Open the file of this cluster; one of another cluster is set aside.

    Raises:
        SettingsInvalid: no folder is named.
        BadInput, Unavailable: the file cannot be used.
    """
    if told.context_dir is None:
        raise SettingsInvalid("FIREBREAK_CONTEXT_DIR must name a folder for the context store")
    told.context_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = store_file(told.context_dir)
    writer = VersionWriter(path)
    if writer.remembers(cluster):
        return writer
    writer.close()
    path.replace(path.with_suffix(".other"))
    for rest in ("-wal", "-shm"):
        path.with_name(path.name + rest).unlink(missing_ok=True)
    log.warning("the file remembered another cluster and was set aside", aside=path.stem + ".other")
    writer = VersionWriter(path)
    writer.remembers(cluster)
    return writer


def wanted(told: Settings, writer: VersionWriter) -> dict[Kind, bool]:
    """Return the kinds to follow, and whether only their metadata; say in the file which are not."""
    asked = told.context_metadata.split(",")
    for kind in METADATA_ONLY:
        if kind[1].plural not in asked:
            writer.recorder(kind)
            writer.lost(kind, 0, UNWATCHED)
    chosen = {kind: True for kind in METADATA_ONLY if kind[1].plural in asked}
    return {**dict.fromkeys(COLLECTED, False), **chosen}


def following(cluster: Cluster) -> Following:
    """Return a cluster as one who remembers sees it."""
    from activities.adapters.kubernetes import KubernetesCluster

    if isinstance(cluster, MemoryCluster):
        return MemoryFollowing(cluster)
    if isinstance(cluster, KubernetesCluster):
        return cluster.following()
    raise SettingsInvalid("the context store follows a Kubernetes API server or the memory cluster")


async def run(context: Context) -> None:
    """Remember until told to stop."""
    told = context.settings
    objects = context.bus.objects(CONTEXT_STORE)
    if told.context_dir is not None:
        await snapshots.restore(store_file(told.context_dir), objects)
    writer = open_store(told, context.cluster.ref.uid)
    try:
        remembering = Remembering(writer, following(context.cluster), wanted(told, writer))
        copying = snapshots.keep(writer, objects, told.context_snapshot_minutes * 60)
        work = [remembering.run(), _forgetting(remembering, writer, told), copying]
        if told.audit_log_file is not None:
            causes = Causes(remembering, writer)
            tail = Tail(told.audit_log_file, context.bus.kv(state_bucket(CONTEXT_STORE)), causes)
            work += [tail.follow(), causes.join()]
        answers = PastAnswers(writer.path, slices_folder(writer.path), context.cluster.ref)
        services = {STATE: answers.state, SLICES: answers.slice, OBSERVATIONS: answers.observations}
        for name, answer in services.items():
            await context.bus.serve(service_subject(CONTEXT_STORE, name), answer, concurrency=2)
        tasks = [asyncio.create_task(one) for one in work]
        context.ready()
        await until_stopped(context, *tasks)
    finally:
        writer.close()


async def _forgetting(remembering: Remembering, writer: VersionWriter, told: Settings) -> None:
    def old() -> None:
        forget(writer, now() - int(told.context_days * DAY), told.context_megabytes << 20)
        prune(slices_folder(writer.path), told.context_megabytes << 20)

    while True:
        await asyncio.sleep(FORGET_SECONDS)
        try:
            await remembering.write(old)
        except FirebreakError as error:
            log.warning("old versions are forgotten later", error=str(error))


AGENT = Agent(name=CONTEXT_STORE, run=run, uses_temporal=False)
