"""`./run demo --once FILE`: one upload through everything, every claim checked from outside, then all stopped."""

import dataclasses
import hashlib
import http.client
import json
import shutil
import sys
import tempfile
from pathlib import Path

import joserfc.jwk
import joserfc.jws
import psutil

from dev import environments
from dev.client import Client, Refused
from dev.paths import ROOT, STATE
from dev.processes import StartFailed, end_in_order_when_told
from dev.stack import Stack

# What the web tier may write while a file passes: access-log lines, which the kernel counts in whole pages.
LOG_LINES_AT_MOST = 64 * 1024
WEB_TIER = ("nginx", "web_app")


class NotHeld(Exception):
    """Something that Sluice promises did not hold."""


@dataclasses.dataclass
class Result:
    bytes: int
    seconds: float
    mib_per_second: float
    tail_ms: float
    sha256: str
    stored: str
    receipt_key: str
    web_tier_bytes_written: dict[str, int]


def main(file: str, *, as_json: bool) -> int:
    """`file` can be read (dev/arguments.py)."""
    path = Path(file)
    end_in_order_when_told()
    try:
        state = Path(tempfile.mkdtemp(prefix="once-", dir=STATE))
    except OSError as exc:
        return _end(as_json, f"no folder could be made under {_short(STATE)}: {exc.strerror}", None)
    try:
        _say("Starting nginx, web_app and services_app …")
        with Stack(state) as stack:
            _say(f"Sending {path.stat().st_size:,} bytes …")
            result = send_once(stack, path)
    except (NotHeld, StartFailed, Refused, OSError, http.client.HTTPException) as failure:
        return _end(as_json, f"{failure or type(failure).__name__}\nWhat was left: {_short(state)}", None)
    except BaseException:
        shutil.rmtree(state, ignore_errors=True)
        raise
    shutil.rmtree(state)
    return _end(as_json, None, result)


def send_once(stack: Stack, path: Path) -> Result:
    """Send `path`, check everything. Raises NotHeld."""
    client = Client(stack.edge_port, stack.keys.edge_ca, stack.api_key)
    grant = client.new_grant(stack.collection)
    before = _written(stack)
    reply = client.put(grant["token"], path, name=path.name)
    written = {label: count - before.get(label, 0) for label, count in _written(stack).items()}
    if reply.status != 201:
        raise NotHeld(f"PUT was answered {reply.status}: {reply.body.decode(errors='replace')[:300]}")
    upload = reply.json()
    receipt, key = _verified(upload["receipt"], client.receipt_keys())
    with path.open("rb") as source:
        digest = hashlib.file_digest(source, "sha256").hexdigest()
    stored = stack.stored(upload["upload_id"])
    with stored.open("rb") as kept:
        stored_digest = hashlib.file_digest(kept, "sha256").hexdigest()
    size = path.stat().st_size
    _hold("the receipt's issuer", receipt.get("iss"), environments.RECEIPT_ISSUER)
    _hold("the receipt's grant", receipt.get("grant"), grant["id"])
    _hold("the receipt's upload", receipt.get("upload_id"), upload["upload_id"])
    _hold("the receipt's size", receipt.get("size"), size)
    _hold("the receipt's SHA-256", receipt.get("sha256"), digest)
    _hold("the stored file's SHA-256", stored_digest, digest)
    _hold("the grant's state at web_app", client.hand_in(upload["receipt"])["state"], "complete")
    if sum(written.values()) > LOG_LINES_AT_MOST:
        raise NotHeld(f"the web tier wrote {sum(written.values()):,} bytes to disk: {written}")
    return Result(
        bytes=size,
        seconds=round(reply.seconds, 3),
        mib_per_second=round(size / (1 << 20) / reply.seconds, 1),
        tail_ms=round(reply.tail * 1000, 1),
        sha256=digest,
        stored=str(stored.relative_to(stack.nas)),
        receipt_key=key,
        web_tier_bytes_written=written,
    )


def _verified(receipt: str, published: dict) -> tuple[dict, str]:
    """Claims and key id of a receipt whose signature one of the published keys made."""
    keys = joserfc.jwk.KeySet.import_key_set(published)
    try:
        signed = joserfc.jws.deserialize_compact(receipt, keys, algorithms=["Ed25519"])
    except (joserfc.errors.JoseError, ValueError) as exc:
        raise NotHeld(f"the receipt's signature does not verify ({type(exc).__name__})") from exc
    headers = signed.headers()
    _hold("the receipt's typ", headers.get("typ"), "upload-receipt+jwt")
    return json.loads(signed.payload), headers["kid"]


def _hold(what: str, found, expected) -> None:
    if found != expected:
        raise NotHeld(f"{what} is {found}, not {expected}")


def _written(stack: Stack) -> dict[str, int]:
    """Bytes that each process of the web tier has dirtied on disks since it started (/proc/PID/io write_bytes)."""
    counts = {}
    for name in WEB_TIER:
        for number, pid in enumerate(stack.pids(name)):
            label = f"{name} worker {number}" if number else f"{name} master"
            counts[label] = psutil.Process(pid).io_counters().write_bytes
    return counts


def _end(as_json: bool, problem: str | None, result: Result | None) -> int:
    if as_json:
        print(json.dumps({"ok": problem is None, "problem": problem, **(dataclasses.asdict(result) if result else {})}))
    elif result:
        print(_table(result))
    if problem:
        print(f"Failed: {problem}", file=sys.stderr)
        return 1
    return 0


def _table(result: Result) -> str:
    rows = [
        ("bytes", f"{result.bytes:,}"),
        ("seconds", f"{result.seconds:.2f}"),
        ("speed", f"{result.mib_per_second:,.1f} MiB/s"),
        ("tail", f"{result.tail_ms:.1f} ms from the last body byte to the reply"),
        ("sha256", f"{result.sha256}  the same for the file, the receipt and the store"),
        ("receipt", f"signed by {result.receipt_key}"),
        ("stored", f"NAS_ROOT/{result.stored}"),
        ("web tier", "bytes written to disk by each process meanwhile:"),
    ]
    rows += [("", f"  {label:<17}{count:>8,}") for label, count in result.web_tier_bytes_written.items()]
    return "\n".join(f"{name:<9} {value}" for name, value in rows)


def _short(path: Path) -> Path:
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
