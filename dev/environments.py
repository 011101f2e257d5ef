"""The environment variables that each process of a demo or test stack gets; nothing else of ours leaks in."""

import hashlib
import os
from pathlib import Path

from dev import pki

TOKEN_ISSUER = "https://web.sluice.internal"
TOKEN_AUDIENCE = "https://services.sluice.internal"
RECEIPT_ISSUER = "https://services.sluice.internal"


def web(keys: pki.Pki, *, state: Path, bind: str, public_url: str, services_url: str) -> dict[str, str]:
    return {
        **_both(keys, state, "web"),
        "ALLOWED_HOSTS": "localhost,127.0.0.1",
        "DATABASE_URL": f"sqlite:///{state}/web.sqlite3",
        "SECRET_KEY_FILE": str(keys.secret_key),
        "PUBLIC_URL": public_url,
        "TOKEN_KEY_FILE": str(keys.token_private),
        "RECEIPT_JWKS_FILE": str(keys.receipt_public),
        "SERVICES_URL": services_url,
        "SERVICES_CA_FILE": str(keys.inside_ca),
        "INTERNAL_CLIENT_CERT_FILE": str(keys.web_app_cert),
        "INTERNAL_CLIENT_KEY_FILE": str(keys.web_app_key),
        "WEB_BIND": bind,
        # Bytecode written on first import would show up as disk writes of the web tier.
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def services(keys: pki.Pki, *, state: Path, nas: Path, uploads_bind: str, control_bind: str) -> dict[str, str]:
    return {
        **_both(keys, state, "services"),
        "ALLOWED_HOSTS": pki.SERVICES_NAME,
        "DATABASE_URL": f"sqlite:///{state}/services.sqlite3",
        "NAS_ROOT": str(nas),
        "TOKEN_JWKS_FILE": str(keys.token_public),
        "RECEIPT_KEY_FILE": str(keys.receipt_private),
        "TLS_CERT_FILE": str(keys.services_cert),
        "TLS_KEY_FILE": str(keys.services_key),
        "TLS_CLIENT_CA_FILE": str(keys.inside_ca),
        "UPLOADS_BIND": uploads_bind,
        "CONTROL_BIND": control_bind,
        "NGINX_CLIENT_NAME": pki.NGINX_NAME,
        "WEB_CLIENT_NAME": pki.WEB_APP_NAME,
        "METRICS_CLIENT_NAME": pki.METRICS_NAME,
        # A developer's disk may be nearly full, and stopping must not wait for a day.
        "UPLOAD_SPACE_RESERVE": "0",
        "GRACEFUL_TIMEOUT": "10",
    }


def _both(keys: pki.Pki, state: Path, role: str) -> dict[str, str]:
    return {
        **inherited(),
        "SERVER_ROLE": role,
        "STATE_DIR": str(state),
        "METRICS_DIR": str(counts(state)),
        "TOKEN_ISSUER": TOKEN_ISSUER,
        "TOKEN_AUDIENCE": TOKEN_AUDIENCE,
        "RECEIPT_ISSUER": RECEIPT_ISSUER,
        "INTERNAL_API_KEY_FILE": str(keys.internal_api_key),
    }


def counts(state: Path) -> Path:
    """Where a tier's processes count: in memory, as everywhere. A full disk would kill who writes to a mapped file on it."""
    return Path("/dev/shm") / f"sluice-{hashlib.sha256(os.fsencode(state)).hexdigest()[:16]}"  # noqa: S108  of a developer's machine


def inherited() -> dict[str, str]:
    """What a program needs of the caller's environment; a stray NAS_ROOT or DJANGO_… stays behind."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
