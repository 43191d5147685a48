"""Authorities, certificates and signing keys of one stack, made here and trusted nowhere else.

Authorities last as long as the state folder. Certificates are made anew at every start, so that the control
plane's do not expire in use; those of the bus live for a day and are made anew while it runs. A signing key is
replaced in two steps, so that readers know the new one before anything is signed with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from signals.errors import StackError
from workers.stack.layout import PRIVATE_DIR, write_private

AUTHORITY_LIFE = timedelta(days=3650)
CERTIFICATE_LIFE = timedelta(days=365)
CLOCK_SKEW = timedelta(minutes=5)
SERVER = ExtendedKeyUsageOID.SERVER_AUTH
CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | Ed25519PrivateKey


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Whom a certificate is for. `groups` become O=, which the API server reads as groups."""

    name: str
    groups: Sequence[str] = ()
    hosts: Sequence[str] = ()
    addresses: Sequence[str] = ()
    uris: Sequence[str] = ()
    usages: Sequence[x509.ObjectIdentifier] = (CLIENT,)


class Authority:
    """A certificate authority whose key and certificate are files `<name>.key` and `<name>.crt`."""

    def __init__(self, folder: Path, name: str) -> None:
        """Read the authority, or make it if there is none.

        Raises:
            StackError: the files are there and cannot be read.
        """
        self.certificate_file = folder / f"{name}.crt"
        self.key_file = folder / f"{name}.key"
        if not self.certificate_file.exists():
            self._make(name)
        try:
            key = load_pem_private_key(self.key_file.read_bytes(), password=None)
            self._certificate = x509.load_pem_x509_certificate(self.certificate_file.read_bytes())
        except (OSError, ValueError) as error:
            raise StackError(f"the authority {self.certificate_file} cannot be read: {error}") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise StackError(f"the key {self.key_file} is not one that Firebreak made")
        self._key = key

    def _make(self, name: str) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"firebreak-{name}")])
        certificate = (
            _builder(subject, subject, key.public_key(), AUTHORITY_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        write_private(self.key_file, _private_pem(key))
        write_private(self.certificate_file, certificate.public_bytes(Encoding.PEM))

    def issue(self, folder: Path, file: str, subject: Subject, life: timedelta = CERTIFICATE_LIFE) -> None:
        """Write `<file>.key` and `<file>.crt` for a subject."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in subject.groups]
        names.append(x509.NameAttribute(NameOID.COMMON_NAME, subject.name))
        builder = (
            _builder(x509.Name(names), self._certificate.subject, key.public_key(), life)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(subject.usages), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
        )
        alternatives: list[x509.GeneralName] = [
            *(x509.DNSName(host) for host in subject.hosts),
            *(x509.IPAddress(IPv4Address(address)) for address in subject.addresses),
            *(x509.UniformResourceIdentifier(uri) for uri in subject.uris),
        ]
        if alternatives:
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        write_private(folder / f"{file}.key", _private_pem(key))
        certificate = builder.sign(self._key, hashes.SHA256())
        write_private(folder / f"{file}.crt", certificate.public_bytes(Encoding.PEM))


def signing_key(folder: Path, agent: str) -> None:
    """Make an agent's Ed25519 key `<agent>.key` and `public/<agent>.pub`, if it has none."""
    file = folder / f"{agent}.key"
    if not file.exists():
        write_private(file, _private_pem(Ed25519PrivateKey.generate()))
    own = _public_pem(file)
    public = folder / "public" / f"{agent}.pub"
    if not public.exists() or own not in public.read_bytes():
        write_private(public, own)


def new_signing_key(folder: Path, agent: str) -> None:
    """Give an agent another signing key. The one before counts until the next change; all are kept in `retired`.

    The public key stands before the private one does: nothing is ever signed that nobody can check.
    """
    key = Ed25519PrivateKey.generate()
    new = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    old = _public_pem(folder / f"{agent}.key")
    retired = folder / "retired" / f"{agent}.pub"
    retired.parent.mkdir(exist_ok=True, mode=PRIVATE_DIR)
    known = retired.read_bytes() if retired.exists() else b""
    if old not in known:
        write_private(retired, known + old)
    write_private(folder / "public" / f"{agent}.pub", new + old)
    write_private(folder / f"{agent}.key", _private_pem(key))


def _public_pem(file: Path) -> bytes:
    key = load_pem_private_key(file.read_bytes(), password=None)
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def service_account_key(folder: Path) -> None:
    """Make `sa.key` and `sa.pub`, which sign and check ServiceAccount tokens, if there are none."""
    file = folder / "sa.key"
    if not file.exists():
        write_private(file, _private_pem(rsa.generate_private_key(public_exponent=65537, key_size=2048)))
    write_private(folder / "sa.pub", _public_pem(file))


def _private_pem(key: PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _builder(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, life: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + life)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
