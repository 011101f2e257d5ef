"""Certificates and keys: when they end, how old they are. From the files as they are now, which a process may not have read yet."""

import datetime
import json
from pathlib import Path

from cryptography import x509
from django.conf import settings


def certificates() -> list[dict]:
    """`certificate` and `ends` (RFC 3339), or `fault`: the class of what went wrong. The edge's is nginx's own: site.conf names it."""
    client, authority = settings.INTERNAL_CLIENT_CERT_FILE, settings.SERVICES_CA_FILE
    return [_certificate("internal-client", client), _certificate("services-authority", authority)]


def keys() -> list[dict]:
    """`use`, `kid`, `signs` and `made` (None for a key that does not say), or `use` and `fault`."""
    return _keys("token", settings.TOKEN_KEY_FILE, signing=True) + _keys("receipt", settings.RECEIPT_JWKS_FILE, signing=False)


def _certificate(name: str, file: Path) -> dict:
    try:
        content = file.read_bytes()
        # Of a bundle the leaf comes first; of several authorities one that ends is in nobody's way as long as another holds.
        found = x509.load_pem_x509_certificates(content)
        ends = max(one.not_valid_after_utc for one in found) if name == "services-authority" else found[0].not_valid_after_utc
        # Once its list of revoked certificates has ended nobody is let in.
        listed = x509.load_pem_x509_crl(content).next_update_utc if b"BEGIN X509 CRL" in content else None
        ends = min(ends, listed or ends)
    except (OSError, ValueError) as exc:
        return {"certificate": name, "fault": type(exc).__name__}
    return {"certificate": name, "ends": ends.isoformat()}


def _keys(use: str, file: Path, *, signing: bool) -> list[dict]:
    """The last one of a private set signs."""
    try:
        entries = json.loads(file.read_text(encoding="utf-8"))["keys"]
        return [
            {"use": use, "kid": str(entry["kid"]), "signs": signing and entry is entries[-1], "made": _made(entry)}
            for entry in entries
        ]
    except (OSError, ValueError, KeyError, TypeError) as exc:
        return [{"use": use, "fault": type(exc).__name__}]


def _made(entry: dict) -> str | None:
    at = entry.get("iat")
    return datetime.datetime.fromtimestamp(at, datetime.UTC).isoformat() if isinstance(at, int) else None
