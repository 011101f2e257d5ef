"""Ten codes for who has lost the telephone, each good once."""

import hashlib
import secrets

COUNT = 10
# Crockford's base 32: no letter that reads as a digit. 80 random bits a code, so one fast SHA-256 is enough: there is nothing to guess.
_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"
_LENGTH, _GROUP = 16, 4
_READ_AS = str.maketrans("oil", "011")
_LONGEST = 64  # characters that are looked at


def new_codes() -> list[str]:
    return [_spelled("".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))) for _ in range(COUNT)]


def digest(typed: str, uploader_id: str) -> str:
    """Under which a person's code is kept, however it is spaced and spelled."""
    code = "".join(letter for letter in typed[:_LONGEST].casefold().translate(_READ_AS) if letter in _LETTERS)
    return hashlib.sha256(f"{uploader_id}\0{code}".encode()).hexdigest()


def _spelled(code: str) -> str:
    return "-".join(code[at : at + _GROUP] for at in range(0, _LENGTH, _GROUP))
