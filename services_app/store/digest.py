"""The running SHA-256 of an upload, whose state survives between requests, processes and hosts.

hashlib's objects can be copied in memory but not saved. libcrypto's SHA256_CTX is a plain structure of 112 bytes, so it
is kept as such (by ctypes, which lets other threads run meanwhile, at the same speed). It is trusted only after it has
agreed with hashlib once, when this module is loaded; without it the state cannot be saved, and whoever resumes reads the
prefix again.
"""

import ctypes
import ctypes.util
import hashlib

_STATE_BYTES = 112
_FORMAT = b"sha256:libcrypto:1:"  # a state of another make is no state


class Sha256:
    """Feed it with `update`, save it with `state`, go on with `Sha256(state)`."""

    def __init__(self, state: bytes | None = None):
        """A fresh digest, or one that goes on from a saved state. Raises ValueError for a state that is none of ours."""
        self._context = ctypes.create_string_buffer(_STATE_BYTES)
        if state is None:
            _libcrypto.SHA256_Init(self._context)
        elif not state.startswith(_FORMAT) or len(state) != len(_FORMAT) + _STATE_BYTES:
            raise ValueError("not a saved SHA-256")
        else:
            self._context.raw = state[len(_FORMAT) :]

    def update(self, data: memoryview) -> None:
        """`data` must be writable memory, as a receive buffer is."""
        _libcrypto.SHA256_Update(self._context, (ctypes.c_char * len(data)).from_buffer(data), len(data))

    def state(self) -> bytes:
        """All that is needed to go on later."""
        return _FORMAT + self._context.raw

    def hexdigest(self) -> str:
        """Of all bytes so far; the digest can go on afterwards."""
        copy, result = ctypes.create_string_buffer(self._context.raw, _STATE_BYTES), ctypes.create_string_buffer(32)
        _libcrypto.SHA256_Final(result, copy)
        return result.raw.hex()


def _load() -> ctypes.CDLL:
    """libcrypto, once its structure is proved to be the one that we know. Raises ImportError."""
    library = ctypes.CDLL(ctypes.util.find_library("crypto") or "libcrypto.so.3")
    for name in ("SHA256_Init", "SHA256_Update", "SHA256_Final"):
        getattr(library, name).restype = ctypes.c_int
    library.SHA256_Init.argtypes = (ctypes.c_void_p,)
    library.SHA256_Update.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
    library.SHA256_Final.argtypes = (ctypes.c_void_p, ctypes.c_void_p)
    return library


def _agrees_with_hashlib() -> bool:
    text = bytearray(bytes(range(251)) * 9)
    first = Sha256()
    first.update(memoryview(text)[:1000])
    second = Sha256(first.state())
    second.update(memoryview(text)[1000:])
    return second.hexdigest() == hashlib.sha256(text).hexdigest()


_libcrypto = _load()
if not _agrees_with_hashlib():
    raise ImportError("libcrypto's SHA-256 is not the one that Sluice knows; use OpenSSL 3")
