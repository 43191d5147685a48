"""The file of the context store: SQLite, written by one process and read by any, also while it is written.

A version is a row of times and two numbers; its body lies once for all versions and objects that are alike.
"""

import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from signals.errors import BadInput, Unavailable

SCHEMA = 1
"""Number of this layout."""
BUSY_MS = 5000
PAGES = 64
"""MiB of the file that one connection keeps in memory at most."""

_TABLES = """
CREATE TABLE kinds (
  id INTEGER PRIMARY KEY, api_version TEXT NOT NULL, kind TEXT NOT NULL, revision TEXT NOT NULL DEFAULT '',
  heard INTEGER NOT NULL DEFAULT 0, lost INTEGER, trouble TEXT NOT NULL DEFAULT 'not listed yet',
  UNIQUE (api_version, kind)
);
CREATE TABLE objects (
  id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, uid TEXT NOT NULL,
  UNIQUE (kind, uid)
);
CREATE INDEX objects_by_name ON objects (name, namespace, kind);
CREATE TABLE bodies (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, data BLOB NOT NULL);
CREATE TABLE versions (
  id INTEGER PRIMARY KEY, object INTEGER NOT NULL, body INTEGER NOT NULL, revision TEXT NOT NULL,
  begin_lo INTEGER NOT NULL, begin_at INTEGER NOT NULL, begin_hi INTEGER NOT NULL,
  end_lo INTEGER NOT NULL, end_at INTEGER NOT NULL, end_hi INTEGER NOT NULL,
  observed INTEGER NOT NULL, ended INTEGER, end_revision TEXT, cause INTEGER, end_cause INTEGER
);
CREATE INDEX versions_of_object ON versions (object, begin_at);
CREATE INDEX versions_in_time
  ON versions (end_hi, begin_lo, begin_at, begin_hi, end_lo, end_at, object);
CREATE INDEX versions_by_body ON versions (body);
CREATE TABLE gaps (kind INTEGER NOT NULL, lo INTEGER NOT NULL, hi INTEGER NOT NULL, reason TEXT NOT NULL);
CREATE TABLE causes (
  id INTEGER PRIMARY KEY, audit_id TEXT NOT NULL UNIQUE, user TEXT NOT NULL, verb TEXT NOT NULL,
  received INTEGER NOT NULL, done INTEGER NOT NULL
);
CREATE TABLE facts (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
"""

ALIVE = "alive"
"""Fact: until when the writer is known to have lived."""
HORIZON = "horizon"
"""Fact: before this nothing can be answered any more; retention moved it."""
TICK_ASKED, TICK_ANSWERED, TICK_REVISION = "tick_asked", "tick_answered", "tick_revision"
"""Facts: the last reading of the API server's counter."""

_COMMON = (
    b'{"metadata":{"annotations":{},"finalizers":[],"generateName":"","labels":{"app":"","app.kubernetes.io/name":"",'
    b'"pod-template-hash":""},"ownerReferences":[{"apiVersion":"apps/v1","blockOwnerDeletion":true,"controller":true,'
    b'"kind":"ReplicaSet","name":"","uid":""}]},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole",'
    b'"name":""},"rules":[{"apiGroups":[""],"resources":[""],"verbs":["get","list","watch"]}],"subjects":[{"kind":'
    b'"ServiceAccount","name":"default","namespace":"kube-system"}],"spec":{"containers":[{"env":[],"image":"",'
    b'"imagePullPolicy":"IfNotPresent","name":"","ports":[{"containerPort":8080,"protocol":"TCP"}],"resources":{},'
    b'"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","volumeMounts":[{"mountPath":'
    b'"/var/run/secrets/kubernetes.io/serviceaccount","name":"kube-api-access-","readOnly":true}]}],"dnsPolicy":'
    b'"ClusterFirst","enableServiceLinks":true,"nodeName":"","preemptionPolicy":"PreemptLowerPriority","priority":0,'
    b'"restartPolicy":"Always","schedulerName":"default-scheduler","securityContext":{},"serviceAccount":"default",'
    b'"serviceAccountName":"default","terminationGracePeriodSeconds":30,"tolerations":[{"effect":"NoExecute","key":'
    b'"node.kubernetes.io/not-ready","operator":"Exists","tolerationSeconds":300},{"effect":"NoExecute","key":'
    b'"node.kubernetes.io/unreachable","operator":"Exists","tolerationSeconds":300}],"volumes":[{"name":'
    b'"kube-api-access-","projected":{"defaultMode":420,"sources":[{"serviceAccountToken":{"expirationSeconds":3607,'
    b'"path":"token"}},{"configMap":{"items":[{"key":"ca.crt","path":"ca.crt"}],"name":"kube-root-ca.crt"}},'
    b'{"downwardAPI":{"items":[{"fieldRef":{"apiVersion":"v1","fieldPath":"metadata.namespace"},"path":"namespace"}]'
    b'}}]}}]},"status":{"containerStatuses":[{"containerID":"containerd://","imageID":"","name":""}],"hostIP":"",'
    b'"phase":"Running","podIP":"10.244.","podIPs":[{"ip":"10.244."}]}}'
)
"""What most bodies are made of: they are packed against it. Part of the layout: it never changes."""


def packed(body: bytes) -> bytes:
    """Return a body as it lies in the file."""
    packer = zlib.compressobj(6, zlib.DEFLATED, -15, 9, zlib.Z_DEFAULT_STRATEGY, _COMMON)
    return packer.compress(body) + packer.flush()


def unpacked(data: bytes) -> bytes:
    """Return the body that was packed.

    Raises:
        BadInput: the file is damaged.
    """
    unpacker = zlib.decompressobj(-15, _COMMON)
    try:
        return unpacker.decompress(data) + unpacker.flush()
    except zlib.error as error:
        raise BadInput(f"the context store is damaged: {error}") from error


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn the library's errors into ours.

    Raises:
        Unavailable: the disk is full, or somebody holds the file.
        BadInput: it is damaged, or no context store.
    """
    try:
        yield
    except sqlite3.OperationalError as error:
        raise Unavailable(f"the context store {path}: {error}") from error
    except sqlite3.DatabaseError as error:
        raise BadInput(f"{path} is no context store, or a damaged one: {error}") from error


def opened(path: Path) -> sqlite3.Connection:
    """Open the file to write it, and make it if it is not there.

    Raises:
        BadInput: it is none of ours, or a newer Firebreak's.
        Unavailable: it cannot be opened.
    """
    with translated(path):
        file = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_MS / 1000)
        path.chmod(0o600)
        file.execute("PRAGMA auto_vacuum = INCREMENTAL")
        file.execute("PRAGMA journal_mode = WAL")
        file.execute("PRAGMA synchronous = NORMAL")
        _tune(file)
        if _layout(file) == 0:
            file.executescript(f"BEGIN;{_TABLES}PRAGMA user_version = {SCHEMA};COMMIT;")
    return _checked(file, path)


def readable(path: Path) -> sqlite3.Connection:
    """Open the file to read it only, whether or not somebody writes it.

    Raises:
        BadInput: there is none, it is none of ours, or a newer Firebreak's.
        Unavailable: it cannot be opened.
    """
    if not path.is_file():
        raise BadInput(f"There is no context store {path}.")
    with translated(path):
        uri = f"{path.absolute().as_uri()}?mode=ro"
        file = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        _tune(file)
        return _checked(file, path)


def _tune(file: sqlite3.Connection) -> None:
    file.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
    file.execute(f"PRAGMA cache_size = {-PAGES * 1024}")


def _layout(file: sqlite3.Connection) -> int:
    return int(file.execute("PRAGMA user_version").fetchone()[0])


def _checked(file: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    found = _layout(file)
    if found == SCHEMA:
        return file
    file.close()
    if found == 0:
        raise Unavailable(f"{path} holds nothing yet; is the agent context-store starting?")
    raise BadInput(f"{path} has layout {found}; this Firebreak reads layout {SCHEMA}.")
