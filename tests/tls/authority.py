"""Certificates for tests: an authority that issues what is asked for, good or bad."""

from __future__ import annotations

import datetime
import functools
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
PEM = serialization.Encoding.PEM


def now() -> datetime.datetime:
    """The time, without a zone's name."""
    return datetime.datetime.now(datetime.UTC)


@functools.cache
def rsa_key(n: int = 0) -> rsa.RSAPrivateKey:
    """A key that takes long to make; the n-th of them."""
    return rsa.generate_private_key(65537, 2048)


def new_key(kind: str = "ecdsa") -> Key:
    """A private key."""
    return rsa_key() if kind == "rsa" else ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True)
class Issued:
    """A certificate with its key."""

    x: x509.Certificate
    private: Key

    @property
    def cert(self) -> bytes:
        """In PEM."""
        return self.x.public_bytes(PEM)

    def key(self, password: bytes = b"") -> bytes:
        """The key in PEM, encrypted if there is a password."""
        how: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if password:
            how = serialization.BestAvailableEncryption(password)
        return self.private.private_bytes(PEM, serialization.PrivateFormat.PKCS8, how)

    def write(self, folder: Path, name: str) -> tuple[str, str]:
        """Write NAME.pem and NAME.key; their paths."""
        cert, key = folder / f"{name}.pem", folder / f"{name}.key"
        cert.write_bytes(self.cert)
        key.write_bytes(self.key())
        return str(cert), str(key)


class Authority:
    """Signs certificates."""

    def __init__(self, name: str = "test authority", above: Authority | None = None) -> None:
        """`above`: who has signed its own certificate; nobody: it has itself."""
        self.private = new_key()
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        signer = above or self
        self.x = (
            signer.builder(self.name, self.private, -1, 365)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(signer.private, hashes.SHA256())
        )

    @property
    def cert(self) -> bytes:
        """Its own certificate in PEM."""
        return self.x.public_bytes(PEM)

    def builder(
        self, subject: x509.Name, key: Key, begins: int, ends: int
    ) -> x509.CertificateBuilder:
        """What every certificate has; days from now."""
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now() + begins * DAY)
            .not_valid_after(now() + ends * DAY)
        )

    def issue(
        self,
        *names: str,
        kind: str = "ecdsa",
        begins: int = -1,
        ends: int = 30,
        subject: str = "",
        organization: str = "",
        uri: str = "",
    ) -> Issued:
        """A certificate for host names and addresses."""
        key = new_key(kind)
        attributes = [x509.NameAttribute(NameOID.COMMON_NAME, subject or names[0])]
        if organization:
            attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
        built = self.builder(x509.Name(attributes), key, begins, ends)
        alternatives: list[x509.GeneralName] = []
        for name in names:
            try:
                alternatives.append(x509.IPAddress(ip_address(name)))
            except ValueError:
                alternatives.append(x509.DNSName(name))
        if uri:
            alternatives.append(x509.UniformResourceIdentifier(uri))
        if alternatives:
            built = built.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        usage = x509.ExtendedKeyUsage(
            [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        )
        built = built.add_extension(usage, critical=False)
        return Issued(built.sign(self.private, hashes.SHA256()), key)

    def crl(self, *revoked: Issued) -> bytes:
        """A revocation list in PEM."""
        built = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.name)
            .last_update(now() - DAY)
            .next_update(now() + 30 * DAY)
        )
        for one in revoked:
            built = built.add_revoked_certificate(
                x509.RevokedCertificateBuilder()
                .serial_number(one.x.serial_number)
                .revocation_date(now() - DAY)
                .build()
            )
        return built.sign(self.private, hashes.SHA256()).public_bytes(PEM)
