"""Tokens, keys, connections and uploads for the tests of services_app, each as wrong as a test wants it."""

import base64
import contextlib
import hashlib
import io
import json
import re
import time
import uuid

from joserfc import jws
from joserfc.jwk import OKPKey

ISSUER = "https://web.example"
AUDIENCE = "https://services.example"
RECEIPT_ISSUER = "https://receipts.example"
NGINX, WEB_APP = "nginx.test.internal", "web-app.test.internal"  # names in client certificates
INTERNAL_KEY = "k" * 43
COLLECTION = "mri-2026"
NOW = 1_800_000_000  # seconds; for tests that give the verifier its clock


def uuid7() -> str:
    from services_app.uploads.ids import uuid7

    return str(uuid7())


def new_key() -> dict:
    """A private Ed25519 JWK whose kid is its RFC 7638 thumbprint."""
    return OKPKey.generate_key("Ed25519", parameters={"use": "sig", "alg": "Ed25519"}, auto_kid=True).as_dict(
        private=True
    )


def public(key: dict) -> dict:
    return {name: value for name, value in key.items() if name != "d"}


def key_set(path, *keys: dict):
    """Write a JWK Set file; return its path."""
    path.write_text(json.dumps({"keys": list(keys)}))
    path.chmod(0o600)
    return path


def payload(now: float = NOW, without: tuple[str, ...] = (), **changed) -> dict:
    """The claims of a good token at `now`, with some changed or left out."""
    now = int(now)
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "iat": now,
        "nbf": now,
        "exp": now + 86400,
        "start_by": now + 900,
        "jti": uuid7(),
        "sub": "u_42",
        "collection": COLLECTION,
        "max_size": 1 << 30,
        "max_uploads": 1,
        **changed,
    }
    return {name: value for name, value in claims.items() if name not in without}


def sign(key: dict, claims: dict, **header) -> str:
    """A token as web_app would make it. `header` replaces or adds header parameters; None drops one."""
    head = {"alg": "Ed25519", "typ": "upload+jwt", "kid": key["kid"], **header}
    return sign_raw(key, {k: v for k, v in head.items() if v is not None}, json.dumps(claims).encode())


def sign_raw(key: dict, header: dict | bytes, body: bytes) -> str:
    """A correct Ed25519 signature over whatever stands in header and body."""
    head = header if isinstance(header, bytes) else json.dumps(header).encode()
    signing_input = f"{b64(head)}.{b64(body)}".encode()
    private = OKPKey.import_key({k: key[k] for k in ("kty", "crv", "x", "d")})
    signature = private.private_key.sign(signing_input)
    return f"{signing_input.decode()}.{b64(signature)}"


def sign_hmac(secret: bytes, header: dict, claims: dict) -> str:
    import hmac

    signing_input = f"{b64(json.dumps(header).encode())}.{b64(json.dumps(claims).encode())}"
    return f"{signing_input}.{b64(hmac.new(secret, signing_input.encode(), hashlib.sha256).digest())}"


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def forged(statement: str, **changed) -> str:
    """A receipt or checkpoint of this tier with other claims, as who has no key makes it: under one that nobody knows."""
    head, body = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in statement.split(".")[:2])
    parts = (json.dumps(part).encode() for part in (head | {"kid": "A" * 43}, body | changed))
    return ".".join([*map(b64, parts), b64(b"s" * 64)])


def header_of(token: str) -> dict:
    segment = token.split(".")[0]
    return json.loads(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))


def receipt_claims(receipt: str, key: dict) -> dict:
    """The claims of a receipt whose signature holds."""
    signed = jws.deserialize_compact(receipt, OKPKey.import_key(public(key)), algorithms=["Ed25519"])
    return json.loads(signed.payload)


class Connection:
    """What gunicorn hands over as `gunicorn.socket`: a peer with DNS names in its certificate, or with none."""

    def __init__(self, *names: str, other=(), certificate: bool = True):
        self._names, self._other, self._certificate = names, other, certificate
        self.timeouts, self.received = [], 0

    def getpeercert(self):
        if not self._certificate:
            return None
        return {"subject": (), "subjectAltName": (*(("DNS", name) for name in self._names), *self._other)}

    def settimeout(self, seconds):
        self.timeouts.append(seconds)

    def recv_into(self, view):
        self.received += 1
        return 0


class PlainConnection:
    """A connection without TLS."""

    settimeout, recv_into = Connection.settimeout, Connection.recv_into

    def __init__(self):
        self.timeouts, self.received = [], 0


def claims_object(**changed):
    """Verified claims, good now."""
    from services_app.tokens.claims import Claims

    return Claims.parse(payload(time.time(), **changed))


def claims_of(upload):
    """Claims of a good token of an upload's grant."""
    return claims_object(jti=str(upload.grant_id), sub=upload.grant.sub)


def announced(length: int | None = 4, sha256: str | None = None, name: str = "scan.zip", protocol="whole", **more):
    """What a sender says as it begins: a whole file by PUT, unless told otherwise."""
    from services_app.uploads.actions import NewUpload

    digests = (named("sha256", bytes.fromhex(sha256)),) if sha256 else ()
    return NewUpload(protocol=protocol, length=length, name=name, **{"digests": digests, **more})


def named(kind: str, digest: bytes):
    """A digest that a sender names."""
    from services_app.uploads.wire.digests import Check

    return Check("Repr-Digest", kind.replace("sha", "sha-"), kind, digest)


def begun(claims, new, *, receiving=True):
    """An upload that was created and, with `receiving`, is held by a request of this process."""
    from services_app.uploads import actions

    upload, _ = actions.create(claims, new, receiving=receiving)
    return upload


def received(body, claims, new, *, final=True, checksums=()):
    """A new upload after one request with this body: committed, waiting, or the Problem that it met."""
    from services_app.uploads.content import receive

    upload = begun(claims, new)
    receive.receive(upload, body, claims, receive.Append(final=final, checksums=checksums, whole=new.digests, creating=True))
    return upload


def request_body(content: bytes, length: int | None = None, **pace):
    """A RequestBody over bytes that are all there, as under an unknown WSGI server."""
    from services_app.uploads.wire.body import RequestBody
    from services_app.uploads.wire.pace import Pace

    given = {"idle_timeout": 5, "min_rate": 0, "window": 60, "deadline": 60, **pace}
    return RequestBody({"wsgi.input": io.BytesIO(content)}, len(content) if length is None else length, Pace(**given))


def a_zip(content: bytes = b"a small file") -> bytes:
    import zipfile

    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(zipfile.ZipInfo("scan.txt"), content)  # of no date: the same bytes whenever it is made
    return archive.getvalue()


def stored_files(root) -> list[str]:
    """Every file and folder below a store that is neither its sentinel nor one of its own folders; years and months are."""
    own = re.compile(rf"\.sluice-store|staging|collections(/{COLLECTION}(/\d{{4}}(/\d\d)?)?)?")
    return sorted(found for path in root.rglob("*") if not own.fullmatch(found := str(path.relative_to(root))))


def some_uuid() -> uuid.UUID:
    return uuid.UUID(uuid7())


def now_of(upload):
    """The upload as it stands in the database, as a request reads it."""
    from services_app.uploads.models import Upload

    return Upload.objects.select_related("grant").get(id=upload.id)


def over():
    """The fields of a lease that ran out, on both clocks."""
    from datetime import timedelta

    from django.utils import timezone

    return {"lease_until": timezone.now() - timedelta(seconds=1), "lease_uptime": 0}


def abandon(upload):
    """Let the lease of a running upload run out, as of a process that is cut off; return it as it stands."""
    from services_app.uploads.models import Upload

    Upload.objects.filter(id=upload.id).update(**over())
    return now_of(upload)


@contextlib.contextmanager
def by_hand():
    """The ledger as somebody has it who owns the database: its entries can be changed in this block."""
    from importlib import import_module

    from django.db import connection

    guard = import_module("services_app.ledger.migrations.0002_append_only")
    with connection.cursor() as cursor:
        for statement in guard.DOWN[connection.vendor]:
            cursor.execute(statement)
    yield
    with connection.cursor() as cursor:
        for statement in guard.UP[connection.vendor]:
            cursor.execute(statement)


def cookie_sha256(cookie: str) -> str:
    """What `cnf` says of a binding cookie."""
    return b64(hashlib.sha256(cookie.encode()).digest())
