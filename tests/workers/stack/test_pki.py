"""Certificates and keys of a stack."""

import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from deploy.bus import client_certificates
from signals.envelope import Signer, Trust
from signals.subjects import AGENTS, ORCHESTRATOR, spiffe_id
from workers.stack import credentials
from workers.stack.layout import Layout


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    made = Layout(tmp_path_factory.mktemp("stack"))
    made.make()
    credentials.make(made, embedded=True)
    return made


def certificate(file: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(file.read_bytes())


@pytest.mark.parametrize("agent", AGENTS)
def test_an_agent_is_known_to_the_bus_by_exactly_one_spiffe_id(layout: Layout, agent: str) -> None:
    extensions = certificate(layout.nats / f"{agent}.crt").extensions
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    usages = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [name.value for name in names] == [spiffe_id(agent)]
    assert list(usages) == [ExtendedKeyUsageOID.CLIENT_AUTH]


def test_every_identity_of_the_bus_has_a_certificate(layout: Layout) -> None:
    assert {file.stem for file in layout.nats.glob("*.key")} == {*client_certificates(), "server"}


def test_nothing_private_can_be_read_by_others(layout: Layout) -> None:
    private = [*layout.root.rglob("*.key"), *layout.falco.glob("token*")]
    assert len(private) > 20
    assert {file.stat().st_mode & 0o777 for file in private} == {0o600}


def test_what_an_agent_signs_is_believed_by_those_who_have_its_public_key(layout: Layout) -> None:
    signer = Signer.from_pem(ORCHESTRATOR, (layout.keys / f"{ORCHESTRATOR}.key").read_bytes())
    trust = Trust.from_pem({file.stem: file.read_bytes() for file in (layout.keys / "public").iterdir()})
    trust.check(ORCHESTRATOR, b"said", signer.sign(b"said"))


def test_authorities_and_signing_keys_last_and_certificates_are_made_anew(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.make()
    lasting = ("pki/nats-ca.crt", "pki/ca.key", "pki/sa.pub", f"keys/{ORCHESTRATOR}.key", "falco/token")
    fresh = (f"nats/{ORCHESTRATOR}.crt", "pki/apiserver.crt", "falco/server.crt")
    runs = []
    for _ in range(2):
        credentials.make(layout, embedded=True)
        runs.append({name: (tmp_path / name).read_bytes() for name in (*lasting, *fresh)})
    first, second = runs
    assert {name for name in first if first[name] == second[name]} == set(lasting)


def test_a_stack_without_a_control_plane_has_no_administrator(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.make()
    credentials.make(layout, embedded=False)
    assert not (layout.pki / "admin.key").exists()


def test_the_certificates_of_one_stack_are_not_believed_by_another(layout: Layout, tmp_path: Path) -> None:
    other = Layout(tmp_path)
    other.make()
    credentials.make(other, embedded=False)
    theirs = ssl.create_default_context(cafile=str(other.falco / "ca.crt"))
    ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ours.load_cert_chain(layout.falco / "server.crt", layout.falco / "server.key")
    client, server = (ssl.MemoryBIO(), ssl.MemoryBIO())
    speaking = theirs.wrap_bio(client, server, server_hostname="127.0.0.1")
    listening = ours.wrap_bio(server, client, server_side=True)
    with pytest.raises(ssl.SSLWantReadError):
        speaking.do_handshake()
    with pytest.raises(ssl.SSLWantReadError):
        listening.do_handshake()
    with pytest.raises(ssl.SSLCertVerificationError):
        speaking.do_handshake()
