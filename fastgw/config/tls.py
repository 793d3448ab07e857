"""What may be written below `tls:`, of a listener and of an upstream."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fastgw.config.forms import Model, OneOrMore, Short
from fastgw.config.units import Duration

Version = Literal["1.0", "1.1", "1.2", "1.3"]


def _colons(value: str) -> list[str]:
    """OpenSSL's own form, a:b:c, is a list too."""
    return value.split(":")


Words = Annotated[list[str], Field(min_length=1), OneOrMore(split=_colons)]


class ClientCertificates(Model):
    """Whether clients show certificates, and whose are believed."""

    mode: Literal["off", "request", "require"] = Field(
        default="off",
        description="`request`: a client may show one; what it shows must be valid. `require`: "
        "no request without one.",
    )
    ca: str | None = Field(
        default=None, description="File of the authorities (PEM) that are believed."
    )
    crl: str | None = Field(
        default=None, description="File of revocation lists (PEM), one for each authority."
    )


class TlsSettings(Model):
    """What holds for all names of a listener, or for one."""

    profile: Literal["modern", "intermediate", "old"] | None = Field(
        default=None,
        description="Versions and ciphers by Mozilla's recommendations; `intermediate`.",
    )
    min_version: Version | None = Field(default=None, description="In place of the profile's.")
    max_version: Version | None = Field(default=None, description="In place of 1.3.")
    ciphers: Words | None = Field(default=None, description="Of TLS 1.2 and before, in our order.")
    suites: Words | None = Field(default=None, description="Ciphers of TLS 1.3.")
    groups: Words | None = Field(default=None, description="Curves of the key exchange.")
    client: Annotated[ClientCertificates, Short("mode", shows="the mode")] | None = Field(
        default=None, description="Client certificates; in short their mode."
    )


class CertificateFiles(Model):
    """A certificate with its chain, and its key."""

    cert: str = Field(description="PEM file, or a pattern for many (`certs/*.pem`).")
    key: str | None = Field(
        default=None,
        description="PEM file of the key; else it is in `cert`, or beside it as `.key`.",
    )
    ocsp: str | None = Field(default=None, description="OCSP answer (DER) that is stapled.")
    names: Annotated[list[str], OneOrMore()] | None = Field(
        default=None, description="In place of those of the certificate."
    )


class ListenTls(TlsSettings):
    """TLS of a listener."""

    cert: str | None = Field(
        default=None, description="PEM file of the certificate, if there is one."
    )
    key: str | None = Field(default=None, description="PEM file of its key.")
    certificates: Annotated[
        list[Annotated[CertificateFiles, Short("cert", shows="a PEM file")]],
        OneOrMore((str, dict)),
    ] = Field(
        default_factory=list,
        description="Certificates; a client gets the one for the name that it asks for.",
    )
    names: dict[str, TlsSettings] = Field(
        default_factory=dict, description="Names (`admin.example.com`) with settings of their own."
    )
    unknown_names: Literal["serve", "reject"] = Field(
        default="serve", description="Names without a certificate get the first one, or an alert."
    )
    ticket_keys: str | None = Field(
        default=None,
        description="File of one to three ticket keys of 80 bytes (`openssl rand 80`), for "
        "several nodes; the first one seals.",
    )
    handshake_timeout: Duration = Field(
        default=10_000, description="Accepted until the handshake is done."
    )
    handshakes: int = Field(
        default=1000,
        ge=1,
        description="Handshakes under way in a worker; at more the oldest is dropped.",
    )
    handshakes_by_address: int = Field(
        default=200, ge=1, description="The same for each client address."
    )


class UpstreamTls(Model):
    """TLS to the https servers of an upstream."""

    ca: str | None = Field(
        default=None, description="File of authorities (PEM) in place of the system's roots."
    )
    crl: str | None = Field(default=None, description="File of revocation lists (PEM); needs `ca`.")
    cert: str | None = Field(
        default=None, description="Our certificate (PEM), for servers that ask."
    )
    key: str | None = Field(default=None, description="Its key; else it is in `cert`.")
    sni: str | None = Field(
        default=None, description="Name to ask for, in place of the server's host."
    )
    names: Annotated[list[str], OneOrMore()] | None = Field(
        default=None, description="Names of which the certificate must hold one, in place of `sni`."
    )
    min_version: Version | None = Field(default=None, description="In place of 1.2.")
    max_version: Version | None = Field(default=None, description="In place of 1.3.")
    ciphers: Words | None = Field(default=None, description="Of TLS 1.2 and before.")
    insecure_skip_verify: bool = Field(
        default=False, description="Believe any certificate; for tests. `check` warns."
    )
