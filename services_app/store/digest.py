"""The running digests of an upload, whose state survives between requests, processes and hosts.

hashlib's objects can be copied in memory but not saved. libcrypto's SHA256_CTX and SHA512_CTX are plain structures of 112 and
216 bytes, so they are kept as such (by ctypes, which lets other threads run meanwhile, at the same speed). They are trusted
only after they have agreed with hashlib once, when this module is loaded; without it the state cannot be saved, and whoever
resumes reads the prefix again.
"""

import ctypes
import ctypes.util
import hashlib


class Digest:
    """Feed it with `update`, save it with `state`, go on with `Sha256(state)`."""

    name: str  # as hashlib has it
    _state_bytes: int
    _digest_bytes: int

    def __init__(self, state: bytes | None = None):
        """A fresh digest, or one that goes on from a saved state. Raises ValueError for a state that is none of ours."""
        self._context = ctypes.create_string_buffer(self._state_bytes)
        if state is None:
            self._call("Init", self._context)
        elif not state.startswith(self._format()) or len(state) != len(self._format()) + self._state_bytes:
            raise ValueError(f"not a saved {self.name}")
        else:
            self._context.raw = state[len(self._format()) :]

    def update(self, data: memoryview) -> None:
        """`data` must be writable memory, as a receive buffer is."""
        self._call("Update", self._context, (ctypes.c_char * len(data)).from_buffer(data), len(data))

    def state(self) -> bytes:
        """All that is needed to go on later."""
        return self._format() + self._context.raw

    def hexdigest(self) -> str:
        """Of all bytes so far; the digest can go on afterwards."""
        copy = ctypes.create_string_buffer(self._context.raw, self._state_bytes)
        result = ctypes.create_string_buffer(self._digest_bytes)
        self._call("Final", result, copy)
        return result.raw.hex()

    @classmethod
    def _format(cls) -> bytes:
        """A state of another make is no state."""
        return f"{cls.name}:libcrypto:1:".encode()

    def _call(self, step: str, *arguments) -> None:
        getattr(_libcrypto, f"{self.name.upper()}_{step}")(*arguments)


class Sha256(Digest):
    name, _state_bytes, _digest_bytes = "sha256", 112, 32


class Sha512(Digest):
    name, _state_bytes, _digest_bytes = "sha512", 216, 64


def _load() -> ctypes.CDLL:
    library = ctypes.CDLL(ctypes.util.find_library("crypto") or "libcrypto.so.3")
    for kind in ("SHA256", "SHA512"):
        init, update, final = (getattr(library, f"{kind}_{step}") for step in ("Init", "Update", "Final"))
        init.argtypes = (ctypes.c_void_p,)
        update.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
        final.argtypes = (ctypes.c_void_p, ctypes.c_void_p)
    return library


def _agrees_with_hashlib(kind: type[Digest]) -> bool:
    text = bytearray(bytes(range(251)) * 9)
    first = kind()
    first.update(memoryview(text)[:1000])
    second = kind(first.state())
    second.update(memoryview(text)[1000:])
    return second.hexdigest() == hashlib.new(kind.name, text).hexdigest()


_libcrypto = _load()
for _kind in (Sha256, Sha512):
    if not _agrees_with_hashlib(_kind):
        raise ImportError(f"libcrypto's {_kind.name} is not the one that Sluice knows; use OpenSSL 3")
