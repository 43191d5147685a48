"""Where everything of one stack lies: one folder, named in one place."""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from signals.errors import StackError

PRIVATE_FILE = 0o600
PRIVATE_DIR = 0o700


@dataclass(frozen=True)
class Layout:
    """The paths inside the state folder of one stack."""

    root: Path

    @property
    def status(self) -> Path:
        """The status document, rewritten on every change."""
        return self.root / "status.json"

    @property
    def lock(self) -> Path:
        """Held by the supervisor as long as it lives; its text is the supervisor's pid."""
        return self.root / "supervisor.lock"

    @property
    def ports(self) -> Path:
        """The block of ports, kept from one run to the next."""
        return self.root / "ports.json"

    @property
    def logs(self) -> Path:
        """One log file a process, and the supervisor's own."""
        return self.root / "log"

    @property
    def pki(self) -> Path:
        """Authorities and the control plane's certificates."""
        return self.root / "pki"

    @property
    def nats(self) -> Path:
        """What `Settings.nats_dir` names: the bus's authority and a certificate per agent."""
        return self.root / "nats"

    @property
    def nats_configuration(self) -> Path:
        """What the embedded NATS runs with; generated."""
        return self.data / "nats.conf"

    @property
    def revoked(self) -> Path:
        """JSON list of the identities that the bus lets in no more."""
        return self.root / "revoked.json"

    @property
    def policy(self) -> Path:
        """The policy that all agents follow, if the person who runs the stack gave one."""
        return self.root / "policy.yaml"

    @property
    def keys(self) -> Path:
        """What `Settings.keys_dir` names: the agents' signing keys."""
        return self.root / "keys"

    @property
    def falco(self) -> Path:
        """Certificate and bearer tokens of the alert receiver."""
        return self.root / "falco"

    @property
    def kubeconfigs(self) -> Path:
        """One kubeconfig for each identity at the API server."""
        return self.root / "kubeconfig"

    @property
    def data(self) -> Path:
        """The servers' own stores."""
        return self.root / "data"

    @property
    def ready(self) -> Path:
        """One file for each agent that serves, with what it wants a person to see to, one a line."""
        return self.root / "ready"

    @property
    def audit_log(self) -> Path:
        """The API server's audit log; rotated beside itself."""
        return self.root / "audit" / "audit.log"

    @property
    def pages(self) -> Path:
        """Every page that was sent to people, as JSON lines."""
        return self.root / "pages.jsonl"

    @property
    def anchors(self) -> Path:
        """Where all audit chains stood, as JSON lines."""
        return self.root / "anchors.jsonl"

    @property
    def traces(self) -> Path:
        """Every finished span, as JSON lines."""
        return self.root / "traces.jsonl"

    @property
    def context(self) -> Path:
        """What `Settings.context_dir` names: the context store's file."""
        return self.root / "context"

    def kubeconfig(self, identity: str) -> Path:
        """Return the kubeconfig of one identity: `admin`, a person or an agent."""
        return self.kubeconfigs / f"{identity}.yaml"

    def log(self, process: str) -> Path:
        """Return the log file of one process."""
        return self.logs / f"{process}.log"

    def make(self) -> None:
        """Create the folders, readable by their owner alone.

        Raises:
            StackError: this place cannot hold them.
        """
        folders = (
            self.root,
            self.logs,
            self.pki,
            self.nats,
            self.keys / "public",
            self.falco,
            self.kubeconfigs,
            self.data,
            self.ready,
            self.audit_log.parent,
            self.context,
        )
        try:
            for folder in folders:
                folder.mkdir(parents=True, exist_ok=True, mode=PRIVATE_DIR)
        except OSError as error:
            raise StackError(
                f"{self.root} cannot be the folder of a stack ({error.strerror}); choose another with --state DIR"
            ) from error


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, in one step: a reader sees the old or the new one."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    temporary.touch(mode=PRIVATE_FILE)
    temporary.write_bytes(content)
    temporary.replace(path)


def shipped(*names: str) -> Path:
    """Return a data file or folder that is shipped in the `deploy` package."""
    found = files("deploy").joinpath(*names)
    return Path(str(found))
