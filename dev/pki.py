"""Certificates, signing keys and secrets for demo and tests. Deployments make theirs elsewhere (Ansible).

Two authorities that do not trust each other: one for the edge (what browsers see), one for the inside (mTLS
between the tiers). Everything is kept and used again until a week before it runs out.

    edge/      ca.crt ca.key  localhost.{crt,key}
    inside/    ca.crt ca.key  services.{crt,key}  nginx.{crt,key}  web-app.{crt,key}  metrics.{crt,key}
    keys/      {token,receipt}-{private,public}.jwks
    secrets/   internal-api-key  secret-key
"""

import datetime
import ipaddress
import json
import os
import secrets
import time
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from joserfc.jwk import KeySet, OKPKey

SERVICES_NAME = "services.sluice.internal"
NGINX_NAME = "nginx.web.sluice.internal"
WEB_APP_NAME = "web-app.web.sluice.internal"
METRICS_NAME = "metrics.sluice.internal"

_KEEP_AT_LEAST = datetime.timedelta(days=7)
_CA_LIFE = datetime.timedelta(days=365)
_LEAF_LIFE = datetime.timedelta(days=90)
# Clocks of a virtual machine and its host may differ a little.
_BACKDATED = datetime.timedelta(minutes=5)


class Pki:
    """What one folder holds, made where missing. Attributes are paths."""

    def __init__(self, folder: Path):
        for part in ("edge", "inside", "keys", "secrets"):
            (folder / part).mkdir(mode=0o700, parents=True, exist_ok=True)
        edge = Authority(folder / "edge", "Sluice development edge CA")
        inside = Authority(folder / "inside", "Sluice development inside CA")
        self.inside = inside
        self.edge_ca = edge.certificate_file
        self.inside_ca = inside.certificate_file
        self.edge_cert, self.edge_key = edge.issue("localhost", "localhost", server=True, loopback=True)
        self.services_cert, self.services_key = inside.issue("services", SERVICES_NAME, server=True)
        self.nginx_cert, self.nginx_key = inside.issue("nginx", NGINX_NAME)
        self.web_app_cert, self.web_app_key = inside.issue("web-app", WEB_APP_NAME)
        self.metrics_cert, self.metrics_key = inside.issue("metrics", METRICS_NAME)
        self.token_private, self.token_public = signing_keys(folder / "keys", "token")
        self.receipt_private, self.receipt_public = signing_keys(folder / "keys", "receipt")
        self.internal_api_key = secret(folder / "secrets" / "internal-api-key")
        self.secret_key = secret(folder / "secrets" / "secret-key")


class Authority:
    """A certificate authority in a folder."""

    def __init__(self, folder: Path, name: str):
        self.folder = folder
        self.certificate_file = folder / "ca.crt"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        certificate = _still_good(self.certificate_file)
        if certificate is None:
            key = ec.generate_private_key(ec.SECP256R1())
            certificate = _self_signed(key, name)
            write_private(folder / "ca.key", _pem(key))
            write_private(self.certificate_file, certificate.public_bytes(serialization.Encoding.PEM))
        self._certificate = certificate
        self._key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), password=None)

    def issue(self, file: str, dns_name: str, *, server: bool = False, loopback: bool = False) -> tuple[Path, Path]:
        """Certificate and key for `dns_name`: a server's, or else a client's. Returns both files."""
        certificate_file, key_file = self.folder / f"{file}.crt", self.folder / f"{file}.key"
        existing = _still_good(certificate_file)
        if existing is not None and existing.issuer == self._certificate.subject and self._signed(existing):
            return certificate_file, key_file
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [x509.DNSName(dns_name)]
        if loopback:
            names += [x509.IPAddress(ipaddress.ip_address(address)) for address in ("127.0.0.1", "::1")]
        usage = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
        certificate = (
            _builder(dns_name, self._certificate.subject, key.public_key(), _LEAF_LIFE)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(_authority_key_id(self._key), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        write_private(key_file, _pem(key))
        write_private(certificate_file, certificate.public_bytes(serialization.Encoding.PEM))
        return certificate_file, key_file

    def _signed(self, certificate: x509.Certificate) -> bool:
        identifier = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
        return identifier == _authority_key_id(self._key)


def signing_keys(folder: Path, name: str) -> tuple[Path, Path]:
    """An Ed25519 key as two JWK Set files, private and public; `kid` is its RFC 7638 thumbprint."""
    private, public = folder / f"{name}-private.jwks", folder / f"{name}-public.jwks"
    if not (private.exists() and public.exists()):
        key = OKPKey.generate_key("Ed25519", parameters={"use": "sig", "alg": "Ed25519", "iat": int(time.time())}, auto_kid=True)
        write_private(private, json.dumps(KeySet([key]).as_dict(private=True), indent=1).encode() + b"\n")
        write_private(public, json.dumps(KeySet([key]).as_dict(private=False), indent=1).encode() + b"\n")
    return private, public


def secret(path: Path, size: int = 32) -> Path:
    """A file with `size` random bytes in base64url."""
    if not path.exists():
        write_private(path, secrets.token_urlsafe(size).encode() + b"\n")
    return path


def _self_signed(key: ec.EllipticCurvePrivateKey, name: str) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return (
        _builder(name, subject, key.public_key(), _CA_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(_authority_key_id(key), critical=False)
        .sign(key, hashes.SHA256())
    )


def _builder(name: str, issuer: x509.Name, public_key, life: datetime.timedelta) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _key_usage(**chosen: bool) -> x509.KeyUsage:
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment")
    names += ("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{name: chosen.get(name, False) for name in names})


def _authority_key_id(key) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())


def _still_good(path: Path) -> x509.Certificate | None:
    if not (path.exists() and path.with_suffix(".key").exists()):
        return None
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    left = certificate.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
    return certificate if left > _KEEP_AT_LEAST else None


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def write_private(path: Path, content: bytes) -> None:
    """Whole or not at all, and never readable by others, not even for a moment."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as handle:
        handle.write(content)
    os.replace(draft, path)
