"""make_signing_key.py NAME: an Ed25519 key as /etc/sluice/NAME-{private,public}.jwks, unless there is one."""

import json
import os
import sys
from pathlib import Path

from joserfc.jwk import KeySet, OKPKey


def write(path: Path, content: dict, mode: int) -> None:
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        json.dump(content, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


private, public = (Path(f"/etc/sluice/{sys.argv[1]}-{part}.jwks") for part in ("private", "public"))
if private.exists():
    keys = KeySet.import_key_set(json.loads(private.read_text()))
else:
    keys = KeySet([OKPKey.generate_key("Ed25519", parameters={"use": "sig", "alg": "Ed25519"}, auto_kid=True)])
    write(private, keys.as_dict(private=True), 0o600)
write(public, keys.as_dict(private=False), 0o644)
