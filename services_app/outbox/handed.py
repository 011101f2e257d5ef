"""What a hook is given, and what it says to it. No Django: hooks run in threads that touch no database."""

import enum
import re
from dataclasses import dataclass

_UNSAFE = re.compile(r"[^A-Za-z0-9_.:/-]")


@dataclass(frozen=True, slots=True)
class Handed:
    """One stored file. `key` is the same in each try for one hook: who has seen it has seen this file. Only `name`, which is the
    object's in the store, holds what its sender chose.
    """

    key: str
    on: str
    upload_id: str
    grant: str
    collection: str
    size: int
    sha256: str
    media_type: str
    stored_at: str
    receipt: str
    verdict: str  # empty: none yet
    name: str


class End(enum.Enum):
    TAKEN = enum.auto()
    FOUND = enum.auto()  # taken, and it must not be released
    AGAIN = enum.auto()  # it failed, and is tried again later
    NEVER = enum.auto()  # it fails each time: given up at once


@dataclass(frozen=True, slots=True)
class Outcome:
    """`said`: how it ended, as a code that may be shown to anybody."""

    end: End
    said: str

    @classmethod
    def taken(cls, said: str = "ok") -> "Outcome":
        return cls(End.TAKEN, said)

    @classmethod
    def found(cls, said: str) -> "Outcome":
        return cls(End.FOUND, said)

    @classmethod
    def never(cls, said: str) -> "Outcome":
        return cls(End.NEVER, said)

    @classmethod
    def again(cls, said: str) -> "Outcome":
        return cls(End.AGAIN, said)


def as_code(text: str) -> str:
    """What somebody else's program said, of bounded length and plain characters."""
    return _UNSAFE.sub("_", text)[:80]
