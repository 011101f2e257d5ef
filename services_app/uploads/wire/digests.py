"""Which digests does a sender ask us to compare? Every header that names one, whoever invented it, is in one table.

What can be compared is compared. A header of which nothing can be compared is refused before a body byte (authorize.py), and
one that cannot be read is 400: its sender relies on the comparison. docs/upload-api.md shows the table; ADR 0015 says why.
"""

import base64
import binascii
import hashlib
import re
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum

from services_app.uploads import errors

from . import structured


class Over(Enum):
    """What a digest is of."""

    REQUEST = "the body of this request, whatever it is"
    CONTENT = "the body of this request"  # of a request that brings the whole file it is the file's as well
    FILE = "at creation the whole file, in an append its body"  # "the enclosed representation" (RFC 9530 section 3)
    PATCHED = "all that is there after this append"


class Brings(Enum):
    """What the body of a request is."""

    FILE = "a new upload, whole"
    PART = "a new upload, or its first bytes"
    MORE = "a patch of an upload (PATCH)"
    REST = "the end of a file whose beginning is here (a PUT with Content-Range)"


# Bytes of each digest that can be computed here. SHA-256 and SHA-512 survive between requests (store/digest.py).
SIZES = {"sha256": 32, "sha512": 64, "sha1": 20, "md5": 16, "crc32": 4, "adler32": 4}

# Their name → ours; every other name is one that cannot be compared.
_RFC_9530 = {"sha-256": "sha256", "sha-512": "sha512", "sha": "sha1", "md5": "md5"}
_OF_WHOLE = {"sha-256": "sha256", "sha-512": "sha512"}
_RFC_3230 = {**_RFC_9530, **{f"id-{name}": ours for name, ours in _RFC_9530.items()}}
_TUS = {"sha1": "sha1", "sha256": "sha256", "sha512": "sha512", "md5": "md5"}
_HEX_LENGTHS = {32: "md5", 40: "sha", 64: "sha-256", 128: "sha-512"}
_OWNCLOUD = {"sha1": "sha1", "sha256": "sha256", "md5": "md5", "adler32": "adler32"}


def _members(value: str) -> Iterable[tuple[str, object]]:
    found = structured.members(value)
    if found is None:
        raise errors.RequestMalformed
    return found


def _pairs(value: str) -> Iterable[tuple[str, str]]:
    """`name=digest, name=digest`; names in any case."""
    for pair in value.split(","):
        name, _, encoded = pair.strip(" \t").partition("=")
        yield name.lower(), encoded


def _colons(value: str) -> Iterable[tuple[str, str]]:
    """`NAME:digest NAME:digest`."""
    for word in value.split():
        name, _, encoded = word.partition(":")
        yield name.lower(), encoded


def _words(value: str) -> Iterable[tuple[str, str]]:
    """`name digest`."""
    name, _, encoded = value.partition(" ")
    yield name, encoded


def _alone(value: str) -> Iterable[tuple[None, str]]:
    """The digest by itself; the header names the algorithm."""
    yield None, value.strip(" \t")


def _bytes(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError
    return value


def _base64(value: str) -> bytes:
    if not value or len(value) % 4:
        raise ValueError  # Python takes one sign of padding too many
    return base64.b64decode(value, validate=True)


def _hex(value: str) -> bytes:
    if not re.fullmatch("(?:[0-9A-Fa-f]{2})+", value):
        raise ValueError
    return bytes.fromhex(value)


def _tag(value: str) -> bytes:
    """Hex, which may be quoted like an entity tag."""
    return _hex(value[1:-1] if value[:1] == value[-1:] == '"' else value)


def _hex_or_base64(value: str) -> bytes:
    """Hex is as long as that of a digest here, and base64 of none of them is."""
    return _hex(value) if re.fullmatch("[0-9A-Fa-f]+", value) and len(value) in _HEX_LENGTHS else _base64(value)


def _by_length(value: str) -> Iterable[tuple[str, str]]:
    """The digest by itself; its length in hex names the algorithm."""
    yield _HEX_LENGTHS.get(len(value), f"{4 * len(value)} bits"), value


@dataclass(frozen=True, slots=True)
class Field:
    """One header. `split` gives each name with its encoded digest, `decode` its bytes (ValueError: it is none)."""

    name: str
    over: Over
    split: Callable[[str], Iterable[tuple[str | None, object]]]
    decode: Callable[[object], bytes]
    algorithms: dict[str, str | None]
    not_asked: str = ""  # a value that says: compare nothing
    elsewhere: str = "(?!)"  # values that say: the digest comes in the body or behind it, where it is lost


def _signed(name: str) -> Field:
    """What S3's signatures are made over, and those of clouds that sign alike."""
    alike = {"not_asked": "UNSIGNED-PAYLOAD", "elsewhere": "STREAMING-.*"}
    return Field(name, Over.CONTENT, _alone, _hex, {"sha-256": "sha256"}, **alike)


def _unknown(name: str, algorithm: str) -> Field:
    """One that cannot be compared here."""
    return Field(name, Over.CONTENT, _alone, _hex, {algorithm: None})


TABLE = (
    # RFC 9530, RFC 3230, RFC 1864, and two drafts: httpbis-unencoded-digest, pardue-httpbis-patched-digest
    Field("Content-Digest", Over.CONTENT, _members, _bytes, _RFC_9530),
    Field("Repr-Digest", Over.FILE, _members, _bytes, _RFC_9530),
    Field("Unencoded-Digest", Over.FILE, _members, _bytes, _RFC_9530),
    Field("Patched-Digest", Over.PATCHED, _members, _bytes, _OF_WHOLE),
    Field("Digest", Over.FILE, _pairs, _base64, _RFC_3230),
    Field("Content-MD5", Over.CONTENT, _alone, _base64, {"md5": "md5"}),
    # tus
    Field("Upload-Checksum", Over.REQUEST, _words, _base64, _TUS),
    # S3 and those that speak like it
    Field("X-Amz-Checksum-Sha256", Over.CONTENT, _alone, _base64, {"sha-256": "sha256"}),
    Field("X-Amz-Checksum-Sha512", Over.CONTENT, _alone, _base64, {"sha-512": "sha512"}),
    Field("X-Amz-Checksum-Md5", Over.CONTENT, _alone, _base64, {"md5": "md5"}),
    Field("X-Amz-Checksum-Sha1", Over.CONTENT, _alone, _base64, {"sha": "sha1"}),
    Field("X-Amz-Checksum-Crc32", Over.CONTENT, _alone, _base64, {"crc32": "crc32"}),
    _unknown("X-Amz-Checksum-Crc32c", "crc32c"),
    _unknown("X-Amz-Checksum-Crc64nvme", "crc64nvme"),
    _unknown("X-Amz-Checksum-Xxhash64", "xxhash64"),
    _unknown("X-Amz-Checksum-Xxhash3", "xxhash3"),
    _unknown("X-Amz-Checksum-Xxhash128", "xxhash128"),
    _unknown("X-Amz-Sha256-Tree-Hash", "sha256-tree"),
    _signed("X-Amz-Content-Sha256"),
    # Clouds with a dialect of it: Google, Baidu, Alibaba, Tencent, Huawei, Volcengine, Kingsoft, NetEase, Oracle
    _signed("X-Goog-Content-Sha256"),
    _signed("X-Bce-Content-Sha256"),
    _unknown("X-Bce-Content-Crc32", "crc32"),
    _unknown("X-Bce-Content-Crc32c", "crc32c"),
    _signed("X-Oss-Content-Sha256"),
    _unknown("X-Oss-Hash-Crc64ecma", "crc64ecma"),
    Field("X-Cos-Content-Sha1", Over.CONTENT, _alone, _hex, {"sha": "sha1"}),
    _unknown("X-Cos-Hash-Crc64ecma", "crc64ecma"),
    Field("X-Obs-Content-Sha256", Over.CONTENT, _alone, _hex_or_base64, {"sha-256": "sha256"}),
    _unknown("X-Obs-Hash-Crc64ecma", "crc64ecma"),
    _signed("X-Tos-Content-Sha256"),
    _unknown("X-Tos-Hash-Crc64ecma", "crc64ecma"),
    _unknown("X-Kss-Checksum-Crc64ecma", "crc64ecma"),
    Field("X-Nos-Object-Md5", Over.CONTENT, _alone, _hex_or_base64, {"md5": "md5"}),
    Field("Opc-Content-Sha256", Over.CONTENT, _alone, _base64, {"sha-256": "sha256"}),
    _unknown("Opc-Content-Sha384", "sha-384"),
    _unknown("Opc-Content-Crc32c", "crc32c"),
    # Google Cloud Storage, Azure, OpenStack Swift, Backblaze
    Field("X-Goog-Hash", Over.FILE, _pairs, _base64, {"md5": "md5"}),
    Field("X-Ms-Blob-Content-Md5", Over.FILE, _alone, _base64, {"md5": "md5"}),
    Field("X-Ms-Content-Md5", Over.FILE, _alone, _base64, {"md5": "md5"}),
    _unknown("X-Ms-Content-Crc64", "crc64"),
    Field("ETag", Over.CONTENT, _alone, _tag, {"md5": "md5"}),
    Field(
        "X-Bz-Content-Sha1", Over.CONTENT, _alone, _hex, {"sha": "sha1"},
        not_asked="do_not_verify", elsewhere="hex_digits_at_end",
    ),
    # ownCloud and Nextcloud; Artifactory (X-Checksum*); Oracle and others
    Field("OC-Checksum", Over.FILE, _colons, _hex, _OWNCLOUD),
    Field("X-Checksum-Sha256", Over.FILE, _alone, _hex, {"sha-256": "sha256"}),
    Field("X-Checksum-Sha512", Over.FILE, _alone, _hex, {"sha-512": "sha512"}),
    Field("X-Checksum-Sha1", Over.FILE, _alone, _hex, {"sha": "sha1"}),
    Field("X-Checksum-Md5", Over.FILE, _alone, _hex, {"md5": "md5"}),
    Field("X-Checksum", Over.FILE, _by_length, _hex, {name: _RFC_9530[name] for name in _HEX_LENGTHS.values()}),
    Field("X-Content-Sha256", Over.CONTENT, _alone, _hex_or_base64, {"sha-256": "sha256"}),
    Field("X-Content-Sha512", Over.CONTENT, _alone, _hex_or_base64, {"sha-512": "sha512"}),
    Field("X-Content-Sha1", Over.CONTENT, _alone, _hex_or_base64, {"sha": "sha1"}),
    Field("X-Content-Md5", Over.CONTENT, _alone, _hex_or_base64, {"md5": "md5"}),
    Field("Content-Sha256", Over.CONTENT, _alone, _hex_or_base64, {"sha-256": "sha256"}),
    # Yandex Disk (WebDAV), Nostr's Blossom, Bunny, Edgio; Atmos and Akamai name theirs with other things in one value
    Field("Sha256", Over.FILE, _alone, _hex, {"sha-256": "sha256"}),
    Field("X-Sha-256", Over.FILE, _alone, _hex, {"sha-256": "sha256"}),
    Field("Checksum", Over.FILE, _alone, _hex, {"sha-256": "sha256"}),
    Field("X-Agile-Checksum", Over.FILE, _alone, _hex, {"sha-256": "sha256"}),
    _unknown("X-Emc-Wschecksum", "wschecksum"),
    _unknown("X-Akamai-Acs-Action", "acs-action"),
)  # fmt: skip

# These announce a digest behind the body, where it is lost: nginx drops trailers.
_TRAILERS = (
    ("Trailer", "|".join(re.escape(field.name) for field in TABLE) + "|X-Amz-Checksum-.*"),
    ("X-Amz-Trailer", ".+"),
)
# This one names the algorithm of one of S3's headers above, or of its trailer.
_S3_ALGORITHM = "X-Amz-Sdk-Checksum-Algorithm"


@dataclass(frozen=True, slots=True)
class Check:
    """One digest that was asked for. `algorithm` is its header's name for it, `kind` ours; `header` may be lost by now."""

    header: str
    algorithm: str
    kind: str
    digest: bytes
    over: Over = Over.FILE


@dataclass(frozen=True, slots=True)
class Asked:
    """What one request asks for: of its own body, and of the whole file (as it is after this request, where it appends)."""

    of_body: tuple[Check, ...] = ()
    of_whole: tuple[Check, ...] = ()

    def __iter__(self):
        return iter((*self.of_body, *self.of_whole))


def asked(meta: dict, brings: Brings, *, sha512: bool = False) -> Asked:
    """What the headers of a request ask for. `sha512`: that of the whole upload is being computed already.

    Raises ChecksumUnsupported (nothing of a header can be compared), DigestInvalid (no digest of its algorithm), or
    RequestMalformed (it cannot be read, or two headers contradict each other).
    """
    of_body, of_whole, unsupported = [], [], _announced_behind(meta)
    for field in TABLE:
        value = meta.get(_key(field.name), "").strip(" \t")
        if value in ("", field.not_asked):
            continue
        if re.fullmatch(field.elsewhere, value):
            unsupported.append((field.name, next(iter(field.algorithms))))
            continue
        checks, others = _read(field, value)
        taken = False
        for check in checks:
            place = _place(check, brings, sha512=sha512)
            if place is None:
                others.append((check.header, check.algorithm))
            else:
                taken = True
                (of_body if place == "body" else of_whole).append(check)
        if not taken:
            unsupported += others
    if unsupported:
        raise errors.ChecksumUnsupported(*unsupported)
    for checks in (of_body, of_whole):
        if len({(check.kind, check.digest) for check in checks}) > len({check.kind for check in checks}):
            raise errors.RequestMalformed
    return Asked(tuple(of_body), tuple(of_whole))


def differing(checks: Iterable[Check], found: dict[str, bytes]) -> tuple[Check, ...]:
    """Those that are not what was found, kind by kind."""
    return tuple(check for check in checks if found[check.kind] != check.digest)


def of_bytes(checks: Iterable[Check], content: bytes) -> tuple[Check, ...]:
    """Those that are not of this content."""
    checks = tuple(checks)
    running = Running(checks)
    running.update(memoryview(content))
    return running.differing()


class Running:
    """The digests that are asked for of the bytes that come in."""

    def __init__(self, checks: tuple[Check, ...]):
        self._checks = checks
        self._found = {check.kind: _hasher(check.kind) for check in checks}

    def update(self, data: memoryview) -> None:
        for hasher in self._found.values():
            hasher.update(data)

    def differing(self) -> tuple[Check, ...]:
        """Those that are not of what came in."""
        return differing(self._checks, {kind: hasher.digest() for kind, hasher in self._found.items()})


def _read(field: Field, value: str) -> tuple[list[Check], list[tuple[str, str]]]:
    """The digests of one header that can be computed here, and (header, algorithm) of the others."""
    checks, others, only = [], [], next(iter(field.algorithms))
    for name, encoded in field.split(value):
        name = only if name is None else name
        kind = field.algorithms.get(name)
        if kind is None:
            others.append((field.name, name))
            continue
        try:
            digest = field.decode(encoded)
        except (ValueError, binascii.Error) as exc:
            raise errors.RequestMalformed from exc
        # Of another size a tus checksum never agrees, and 460 is what tus knows.
        if len(digest) != SIZES[kind] and field.over is not Over.REQUEST:
            raise errors.DigestInvalid((field.name, name, f"it is not {SIZES[kind]} bytes long"))
        checks.append(Check(field.name, name, kind, digest, field.over))
    return checks, others


def _place(check: Check, brings: Brings, *, sha512: bool) -> str | None:
    """What it is compared with: the body of this request, the whole file, or nothing that is known here."""
    creating = brings in (Brings.FILE, Brings.PART)
    # The whole needs a digest that survives between requests, and was fed from the first byte on.
    known = "whole" if check.kind == "sha256" or (check.kind == "sha512" and (creating or sha512)) else None
    match check.over:
        case Over.PATCHED:
            return known if brings is Brings.MORE else None
        case Over.FILE if brings is not Brings.MORE:
            return known or ("body" if brings is Brings.FILE else None)
        case Over.CONTENT if brings is Brings.FILE:
            return known or "body"
    return "body"


def _announced_behind(meta: dict) -> list[tuple[str, str]]:
    """(header, algorithm) of digests that are to come behind the body, where they are lost."""
    found = []
    for name, digests in _TRAILERS:
        words = [word.strip(" \t") for word in meta.get(_key(name), "").split(",")]
        found += [(name, word) for word in words if re.fullmatch(digests, word, re.IGNORECASE)]
    algorithm = meta.get(_key(_S3_ALGORITHM), "").strip(" \t").lower()
    if algorithm and not meta.get(_key(f"X-Amz-Checksum-{algorithm}")):
        found.append((_S3_ALGORITHM, algorithm))
    return found


def _key(header: str) -> str:
    """Where WSGI puts it."""
    return "HTTP_" + header.upper().replace("-", "_")


class _Sum:
    """zlib's sums with hashlib's face."""

    def __init__(self, name: str):
        self._step, self._value = (zlib.crc32, 0) if name == "crc32" else (zlib.adler32, 1)

    def update(self, data: memoryview) -> None:
        self._value = self._step(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


def _hasher(kind: str):
    # Against accidents, not against attackers: a receipt's SHA-256 is always computed besides.
    return _Sum(kind) if kind in ("crc32", "adler32") else hashlib.new(kind, usedforsecurity=False)
