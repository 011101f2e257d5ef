"""A service elsewhere: one POST over TLS for each file, signed after Standard Webhooks. Ids, sizes, digests and the receipt, and no name.

https://github.com/standard-webhooks/standard-webhooks, spec: `webhook-id` is the same in each try and part of what is signed. No
redirect is followed: what is signed is for one address. No proxy is asked.
"""

import base64
import binascii
import hashlib
import hmac
import http.client
import json
import os
import socket
import ssl
import time
from pathlib import Path
from urllib.parse import urlsplit

from services_app.hooks.hook import Hook
from services_app.outbox.handed import Handed, Outcome
from services_app.store.nas import LocalFileSystemStorage

from .deadline import cut_off

_PREFIX = "whsec_"
_SECRET_BYTES = range(24, 65)  # as the convention has it
_MOST_SECRETS = 4


def run(hook: Hook, handed: Handed, store: LocalFileSystemStorage) -> Outcome:
    """Any answer of 200 to 299 takes the file."""
    try:
        signing = secrets(hook.secret_file)
    except (OSError, ValueError) as exc:
        return Outcome.again(f"secret_{type(exc).__name__}")
    content = body(handed)
    try:
        return _post(hook, content, headers(handed.key, content, int(time.time()), signing))
    except ssl.SSLCertVerificationError:
        return Outcome.again("certificate")
    except TimeoutError:
        return Outcome.again("timeout")
    except (OSError, http.client.HTTPException) as exc:
        return Outcome.again(type(exc).__name__)


def body(handed: Handed) -> bytes:
    told = {
        "upload_id": handed.upload_id,
        "grant": handed.grant,
        "collection": handed.collection,
        "size": handed.size,
        "sha256": handed.sha256,
        "media_type": handed.media_type,
        "stored_at": handed.stored_at,
        "receipt": handed.receipt,
    }
    return json.dumps(
        {"type": f"upload.{handed.on}", "timestamp": handed.stored_at, "data": told}, separators=(",", ":")
    ).encode()


def headers(key: str, content: bytes, at: int, signing: list[bytes]) -> dict[str, str]:
    """With one signature for each secret: while they change, who is told has one of them."""
    signed = f"{key}.{at}.".encode() + content
    signatures = [base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode() for secret in signing]
    return {
        "Content-Type": "application/json",
        "User-Agent": "sluice",
        "webhook-id": key,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def secrets(path: str) -> list[bytes]:
    """One a line, `whsec_` and base64. Raises OSError or ValueError, which quotes nothing."""
    lines = Path(path).read_text(encoding="ascii", errors="replace").split()
    try:
        found = [base64.b64decode(line.removeprefix(_PREFIX), validate=True) for line in lines if line.startswith(_PREFIX)]
    except binascii.Error:
        raise ValueError("no base64") from None
    if len(found) != len(lines) or not 0 < len(found) <= _MOST_SECRETS or any(len(one) not in _SECRET_BYTES for one in found):
        raise ValueError("no secrets")
    return found


def trusted(hook: Hook) -> ssl.SSLContext:
    """Whom to believe: the host's own authorities, or those of `ca_file` alone. Raises OSError (ssl.SSLError is one)."""
    return ssl.create_default_context(cafile=hook.ca_file or None)


def _post(hook: Hook, content: bytes, fields: dict[str, str]) -> Outcome:
    target, ends = urlsplit(hook.url), time.monotonic() + hook.timeout
    plain = socket.create_connection((target.hostname, target.port or 443), timeout=hook.timeout)
    secured = trusted(hook).wrap_socket(plain, server_hostname=target.hostname, do_handshake_on_connect=False)
    with secured, cut_off(secured, max(ends - time.monotonic(), 0)):
        try:
            secured.do_handshake()
            connection = http.client.HTTPConnection(target.netloc)  # which only writes and reads; `Host` is as the URL has it
            connection.sock = secured
            connection.request("POST", (target.path or "/") + (f"?{target.query}" if target.query else ""), content, fields)
            status = connection.getresponse().status  # and nothing of what it says is read
        except (OSError, http.client.HTTPException) as exc:
            if time.monotonic() < ends:
                raise
            raise TimeoutError from exc
    if time.monotonic() >= ends:
        raise TimeoutError  # an answer that was cut off looks like one that came to its end
    return Outcome.taken(f"http_{status}") if 200 <= status < 300 else Outcome.again(f"http_{status}")


def is_usable(hook: Hook) -> str:
    """What keeps a hook of this kind from working, in words; empty where nothing does."""
    try:
        secrets(hook.secret_file)
        if os.stat(hook.secret_file).st_mode & 0o007:
            return "`secret_file` is open to every user of this host"
    except (OSError, ValueError) as exc:
        return f"`secret_file` must hold whsec_ and base64 of 24 to 64 bytes in each line ({type(exc).__name__})"
    try:
        trusted(hook)
    except OSError as exc:
        return f"`ca_file` must hold certificates of authorities ({type(exc).__name__})"
    return ""
