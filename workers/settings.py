"""What an agent is told from outside: one frozen object, read once, passed on, never global."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from signals.errors import SettingsInvalid
from workers.notifier_settings import NotifierSettings
from workers.slack_settings import SlackSettings

PREFIX = "FIREBREAK_"


class Settings(SlackSettings, NotifierSettings, frozen=True, extra="forbid"):
    """Every setting of every agent. Environment: `FIREBREAK_` and the field's name in capitals."""

    cluster_name: str = Field(default="local", min_length=1, max_length=60)
    """The cluster's name for people. Machines tell clusters apart by the UID of kube-system."""

    cluster_uid: str | None = None
    """UID of its kube-system namespace, for agents that may not read it; None means that it is read."""

    cluster: Literal["kubernetes", "memory"] = "kubernetes"
    """`memory` is a cluster in a dictionary: no binaries, no proof of who speaks, no crash promises."""

    memory_dir: Path | None = None
    """Folder in which the memory cluster listens for commands; None means that nobody else reaches it."""

    kubeconfig: Path | None = None
    """The agent's own credentials; None means the ServiceAccount mounted into its pod."""

    context: str | None = None
    """A context of that kubeconfig; None means its current one."""

    temporal_address: str = "127.0.0.1:7233"
    """host:port of Temporal's frontend."""

    temporal_namespace: str = "default"
    """Temporal namespace that holds the incidents."""

    nats_url: str = "tls://127.0.0.1:4222"
    """URL of NATS. Only TLS with a client certificate is spoken."""

    nats_dir: Path | None = None
    """Folder with ca.crt and, per agent, <agent>.crt and <agent>.key for NATS."""

    keys_dir: Path | None = None
    """Folder with <agent>.key (own signing key, PEM Ed25519) and public/<agent>.pub of all agents."""

    policy_file: Path | None = None
    """policy.yaml; None means the defaults."""

    falco_host: str = "127.0.0.1"
    """Address on which the Runtime Guardian receives alerts."""

    falco_port: int = Field(default=2801, ge=0, le=65535)
    """TCP port of the same. 2801 is Falcosidekick's."""

    falco_tokens_file: Path | None = None
    """JSON object of sender name to bearer token. Without it no alert is accepted over HTTP."""

    falco_cert_file: Path | None = None
    """TLS certificate chain of the receiver; None means plain HTTP, for loopback only."""

    falco_key_file: Path | None = None
    """TLS key of the receiver."""

    audit_host: str = "127.0.0.1"
    """Address on which the RBAC Auditor receives audit events."""

    audit_port: int = Field(default=2802, ge=0, le=65535)
    """TCP port of the same."""

    audit_tokens_file: Path | None = None
    """JSON object of sender name to bearer token. Without it no audit event is accepted over HTTP."""

    audit_cert_file: Path | None = None
    """TLS certificate chain of that receiver; None means plain HTTP, for loopback only."""

    audit_key_file: Path | None = None
    """TLS key of that receiver."""

    audit_log_file: Path | None = None
    """Audit log of an API server on this machine, followed across its rotations; None means none."""

    trusted_users: str = ""
    """User names, separated by commas, that the RBAC Auditor trusts, as controllers that read all secrets."""

    max_audit_bytes: int = Field(default=16 << 20, ge=1024)
    """Largest accepted body of audit events, in bytes: an API server sends 400 at once. More is 413."""

    max_alert_bytes: int = Field(default=1 << 20, ge=1024)
    """Largest accepted HTTP body, in bytes; more is 413. JetStream's own limit is 1 MiB a message."""

    max_backlog: int = Field(default=2000, ge=1)
    """Requests in flight in the receiver before it answers 429."""

    pages_file: Path | None = None
    """JSON lines of every page that was sent, for stacks without a pager; None means none is kept."""

    anchors_file: Path | None = None
    """JSON lines of where all audit chains stood, kept apart from NATS; None means only pages carry it."""

    context_dir: Path | None = None
    """Folder of the context store's file. One agent writes it; anybody who may read it can ask."""

    context_days: float = Field(default=7.0, gt=0)
    """For how many days the context store answers; what still exists is kept longer."""

    context_megabytes: int = Field(default=1024, ge=16)
    """How large its file may become before it forgets the oldest earlier, in MiB."""

    context_snapshot_minutes: float = Field(default=60.0, gt=0)
    """How often the context store puts a copy of its file into its object store, against the loss of its disk."""

    context_metadata: Literal["", "secrets", "configmaps", "secrets,configmaps"] = ""
    """Of which of these the context store keeps metadata. It takes the right to list them, which is a right
    to read them: grant it yourself."""

    temporal_ui: str | None = None
    """Base URL of Temporal's UI, for links in pages and in the terminal."""

    metrics_port: int = Field(default=0, ge=0, le=65535)
    """Loopback port of Prometheus metrics; 0 means none."""

    otlp_endpoint: str | None = None
    """OTLP/HTTP collector for traces and metrics, for example http://127.0.0.1:4318."""

    trace_file: Path | None = None
    """JSON lines of every span, for stacks without a collector; None means none is kept."""

    ready_file: Path | None = None
    """Touched by an agent when it serves; the embedded stack waits for it."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe record that is written."""

    log_format: Literal["json", "console"] = "json"
    """`json` for machines, `console` for a person at a terminal."""

    replica: str = "0"
    """Which replica of its agent this is; part of the chain id of its envelopes."""

    def environment(self) -> dict[str, str]:
        """Return the environment that yields these settings in a child process."""
        given = self.model_dump(mode="json", exclude_defaults=True, exclude_none=True)
        return {f"{PREFIX}{name.upper()}": str(value) for name, value in given.items()}


def read(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from the environment.

    Raises:
        SettingsInvalid: a variable is unknown or has a value that cannot work; the text names it.
    """
    source = os.environ if environment is None else environment
    given = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in source.items()
        if name.startswith(PREFIX) and name not in OUTSIDE
    }
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        name = PREFIX + "_".join(str(part) for part in first["loc"]).upper()
        raise SettingsInvalid(f"{name}: {first['msg']}") from error


OUTSIDE = frozenset({"FIREBREAK_STATE"})
"""Variables that the command line reads, not the agents."""


def named(prefix: str, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the settings in the environment whose names begin so, for the agents of an embedded stack.

    Raises:
        SettingsInvalid: one has a value that cannot work.
    """
    source = os.environ if environment is None else environment
    begins = f"{PREFIX}{prefix}".upper()
    return read({name: value for name, value in source.items() if name.startswith(begins)}).model_dump(
        mode="json", exclude_defaults=True
    )


def state_dir(environment: Mapping[str, str] | None = None) -> Path:
    """Return the folder of the embedded stack that commands mean when `--state` is not given."""
    source = os.environ if environment is None else environment
    named = source.get("FIREBREAK_STATE")
    return (
        Path(named)
        if named
        else Path(source.get("XDG_STATE_HOME", Path.home() / ".local/state")) / "firebreak"
    )


def cache_dir(environment: Mapping[str, str] | None = None) -> Path:
    """Return the folder in which built control planes are kept, shared by all stacks of one person."""
    source = os.environ if environment is None else environment
    return Path(source.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "firebreak"


def assets_dir(environment: Mapping[str, str] | None = None) -> Path | None:
    """Return the folder of control-plane binaries that `KUBEBUILDER_ASSETS` names."""
    named = (os.environ if environment is None else environment).get("KUBEBUILDER_ASSETS")
    return Path(named) if named else None


def kubeconfig_file(environment: Mapping[str, str] | None = None) -> Path:
    """Return the kubeconfig of the person at the terminal, where kubectl looks first."""
    named = (os.environ if environment is None else environment).get("KUBECONFIG", "").split(os.pathsep)[0]
    return Path(named) if named else Path.home() / ".kube/config"


def inherited(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return what a child process needs of our environment: path, home, locale, proxies."""
    source = os.environ if environment is None else environment
    return {name: value for name, value in source.items() if not name.startswith(PREFIX)}
