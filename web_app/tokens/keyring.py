"""Changes to a file of signing keys, each as a whole: whoever reads it finds the old set or the new one. No Django here.

The last key signs. A new one is put first, so that it signs nothing before those who verify have its public half.
"""

import json
import os
import tempfile
import time
from pathlib import Path

from joserfc.errors import JoseError
from joserfc.jwk import OKPKey


class NotPossible(Exception):
    """The text says why, and nothing of what is in the file."""


class Keyring:
    """The private Ed25519 keys in the JWK Set at `path`; none where there is no such file. Raises NotPossible."""

    def __init__(self, path: Path):
        self._path = path
        try:
            self.keys = [OKPKey.import_key(entry) for entry in entries_of(path)]
        except OSError as exc:
            raise NotPossible(f"The key file cannot be read ({type(exc).__name__}).") from exc
        except (ValueError, KeyError, TypeError, JoseError) as exc:
            raise NotPossible("The key file is no set of Ed25519 keys.") from exc
        if not all(key.is_private for key in self.keys):
            raise NotPossible("A key in the file is public only.")

    def kids(self) -> list[str]:
        """Oldest first; the last one signs."""
        return [key.thumbprint() for key in self.keys]

    def add(self) -> str:
        """Make a key and return its kid. It signs at once only where it is the first of all."""
        made_at = int(time.time())  # a key carries its age: `iat`, as OpenID Federation has it; no file time outlives a copy
        key = OKPKey.generate_key("Ed25519", parameters={"use": "sig", "alg": "Ed25519", "iat": made_at}, auto_kid=True)
        self._keep([key, *self.keys])
        return key.thumbprint()

    def sign_with(self, kid: str) -> None:
        """From now on this key signs. Raises NotPossible for one that is not there."""
        chosen = self._one(kid)
        self._keep([*(key for key in self.keys if key is not chosen), chosen])

    def retire(self, kid: str) -> None:
        """Take a key out. Raises NotPossible for one that is not there, and for the one that signs."""
        chosen = self._one(kid)
        if chosen is self.keys[-1]:
            raise NotPossible("That key signs. Let another one sign first.")
        self._keep([key for key in self.keys if key is not chosen])

    def public(self) -> dict:
        """The JWK Set for those who verify."""
        return {"keys": [key.as_dict(private=False) for key in self.keys]}

    def _one(self, kid: str) -> OKPKey:
        for key in self.keys:
            if key.thumbprint() == kid:
                return key
        raise NotPossible("There is no such key.")

    def _keep(self, keys: list[OKPKey]) -> None:
        replace(self._path, {"keys": [key.as_dict(private=True) for key in keys]}, mode=0o600)
        self.keys = keys


def entries_of(path: Path) -> list:
    """What stands in a JWK Set; nothing where there is no such file. What a link leads to that leads nowhere is away. Raises OSError,
    ValueError, KeyError or TypeError.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if path.is_symlink():
            raise
        return []
    return json.loads(text)["keys"]


def replace(path: Path, document: dict, *, mode: int) -> None:
    """Write a JSON file durably and as a whole; the owner of the one that it replaces stays. Raises NotPossible."""
    try:
        fd, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(fd, "w", encoding="utf-8") as file:
                os.fchmod(fd, mode)
                if path.exists():
                    os.fchown(fd, path.stat().st_uid, path.stat().st_gid)
                file.write(json.dumps(document, indent=1) + "\n")
                file.flush()
                os.fsync(fd)
            os.replace(draft, path)
        except BaseException:
            os.unlink(draft)
            raise
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(folder)
        os.close(folder)
    except OSError as exc:
        raise NotPossible(f"The file cannot be written ({type(exc).__name__}).") from exc
