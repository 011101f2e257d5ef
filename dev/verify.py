"""`./run verify RECEIPT [FILE] --keys JWKS`: is the receipt genuine, and is this the file? No server is asked (docs/token-format.md)."""

import hashlib
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from web_app.receipts.verify import KeyFileUnusable, Receipt, ReceiptError, ReceiptVerifier

GENUINE, NOT_GENUINE, NOT_CHECKED = 0, 1, 2
_LONGEST = 16 << 10  # bytes of a file that may be a receipt

_REFUSED = {
    "malformed": "it does not have the form of a receipt: changed, or cut off on its way",
    "wrong_type": "a signed statement of another kind",
    "key_unknown": "it names a key that is not among these: from another Sluice, or forged",
    "signature_bad": "the signature does not fit: changed after it was signed, or forged",
    "claims_bad": "signed, and yet it does not say what a receipt has to say",
    "wrong_issuer": "signed in another name",
    "from_the_future": "signed at a time that has not come yet: is the clock of this machine right?",
}


def main(options) -> int:
    try:
        with Path(options.receipt).open("rb") as source:
            text = source.read(_LONGEST).decode("ascii", "replace").strip()
        verifier = ReceiptVerifier.from_file(Path(options.keys), options.issuer)
    except OSError as exc:
        return _not_checked(f"the receipt cannot be read ({exc.strerror})")
    except KeyFileUnusable as exc:
        return _not_checked(f"the keys cannot be used: {exc}")
    try:
        receipt = verifier.verify(text)
    except ReceiptError as exc:
        return _tell(options, {"receipt": "not genuine", "code": exc.code}, f"Not genuine: {_REFUSED[exc.code]}.")
    found = {"receipt": "genuine", **_facts(receipt)}
    lines = [f"Genuine: {receipt.issuer} signed it, and nothing in it was changed since."]
    lines += [f"  {name:<12} {value}" for name, value in _facts(receipt).items()]
    if options.file is not None:
        try:
            same = _is_same(Path(options.file), receipt)
        except OSError as exc:
            return _not_checked(f"the file cannot be read ({exc.strerror})")
        found["file"] = "the same" if same else "another"
        lines.append("This is the file that was stored." if same else "This is another file than the one that was stored.")
    return _tell(options, found, *lines)


def _facts(receipt: Receipt) -> dict:
    return {
        "issuer": receipt.issuer,
        "upload_id": receipt.upload_id,
        "collection": receipt.collection,
        "sub": receipt.subject,
        "size": receipt.size,
        "sha256": receipt.sha256,
        "media_type": receipt.media_type,
        "received_at": receipt.received_at.isoformat(),
        "durable_at": receipt.durable_at.isoformat(),
        "signed_at": datetime.fromtimestamp(receipt.issued_at, UTC).isoformat(),
        "ledger_seq": receipt.ledger_seq,
    }


def _is_same(path: Path, receipt: Receipt) -> bool:
    """Read only where the sizes agree. Raises OSError."""
    with path.open("rb") as file:
        return os.fstat(file.fileno()).st_size == receipt.size and hashlib.file_digest(file, "sha256").hexdigest() == receipt.sha256


def _tell(options, found: dict, *lines: str) -> int:
    print(json.dumps(found) if options.json else "\n".join(lines))
    return NOT_GENUINE if found["receipt"] != "genuine" or found.get("file") == "another" else GENUINE


def _not_checked(why: str) -> int:
    print(f"./run verify: {why}", file=sys.stderr)
    return NOT_CHECKED
