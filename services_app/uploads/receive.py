"""The byte path: one whole-file PUT, from claimed to committed or aborted.

body → count and bound → SHA-256 → type of the first bytes → staging (write-back begins at once)
     → length and digest agree → fsync → publish → fsync folder → ledger and receipt → manifest
"""

import hashlib
import logging
import mmap
import time

from services_app.store.current import current_store
from services_app.store.errors import ObjectExists, StoreError, StoreUncertain
from services_app.store.staged import StagedFile
from services_app.tokens.claims import Claims

from . import actions, errors, leases, manifest, media, policies, recover
from .body import RequestBody
from .headers import Announced
from .models import Upload

log = logging.getLogger("sluice.uploads")

# One buffer an upload. It is mapped, not filled: a slow sender touches only its first pages.
BUFFER_BYTES = 1 << 20
RENEW_EVERY = 5.0  # seconds
PROGRESS_EVERY = 10_000_000  # bytes


def receive(body: RequestBody, claims: Claims, announced: Announced) -> Upload:
    """Store `body` under `claims`; return the committed upload with its receipt.

    Raises a Problem or a TokenRefused; nothing is visible then, except after StoreUnavailable from a folder's fsync or
    from what follows it, which `recover` settles.
    """
    recover.settle_stale_uploads_of(claims.jti)
    upload = actions.claim(claims, announced)
    log.info("claimed", extra={"upload_id": upload.id, "grant_id": claims.jti, "length": announced.length})
    try:
        _store(upload, body, claims, announced)
    except StoreUncertain as exc:
        actions.release(upload)
        log.error("commit uncertain", extra={"upload_id": upload.id}, exc_info=True)
        raise errors.StoreUnavailable from exc
    except actions.LeaseLost as exc:
        log.warning("lease lost", extra={"upload_id": upload.id, "received": body.received})
        raise errors.UploadInProgress from exc
    except errors.Problem as exc:
        _give_up(upload, exc, body)
        raise
    except StoreError as exc:
        problem = errors.of_store(exc)
        _give_up(upload, problem, body)
        raise problem from exc
    except BaseException:
        _give_up(upload, errors.InternalError(), body)
        raise
    log.info("committed", extra={"upload_id": upload.id, "size": upload.size})
    return upload


def _store(upload: Upload, body: RequestBody, claims: Claims, announced: Announced) -> None:
    store = current_store()
    with store.stage(upload.id) as staged:
        sha256, media_type = _take(upload, body, staged, claims)
        if claims.length is not None and staged.size != claims.length:
            raise errors.LengthDiffers
        if {claims.sha256, announced.sha256} - {None, sha256}:
            raise errors.DigestDiffers
        actions.renew(upload, leases.COMMIT_LEASE)  # the last fsync may take longer than any sender may be silent
        staged.finish()
        actions.begin_commit(upload, size=staged.size, sha256=sha256, media_type=media_type)
        try:
            store.publish(upload.id, actions.directory_of(upload), upload.safe_name)
        except (StoreUncertain, ObjectExists):
            staged.keep()
            raise
        staged.keep()
    try:
        actions.complete(upload)
    except actions.LeaseLost:
        raise
    except Exception as exc:
        # It is visible by now and must not be aborted, or the grant would allow a second object.
        raise StoreUncertain from exc
    manifest.write(upload)


def _take(upload: Upload, body: RequestBody, staged: StagedFile, claims: Claims) -> tuple[str, str]:
    """Bring the whole body into staging; return its SHA-256 and its media type."""
    buffer = memoryview(mmap.mmap(-1, BUFFER_BYTES))
    digest, limit = hashlib.sha256(), policies.size_limit(claims)
    head, media_type = bytearray(), None
    renew_at, log_at = time.monotonic() + RENEW_EVERY, PROGRESS_EVERY
    while count := body.fill(buffer):
        if body.received > limit:
            raise errors.TooLarge
        chunk = buffer[:count]
        if media_type is None:
            head += chunk[: media.SNIFF_BYTES - len(head)]
            if len(head) == media.SNIFF_BYTES:
                media_type = _accepted_type(head, claims)
        digest.update(chunk)
        staged.write(chunk)
        if time.monotonic() >= renew_at:
            actions.renew(upload)
            renew_at = time.monotonic() + RENEW_EVERY
        if body.received >= log_at:
            log.debug("progress", extra={"upload_id": upload.id, "received": body.received})
            log_at = body.received + PROGRESS_EVERY
    return digest.hexdigest(), media_type or _accepted_type(head, claims)


def _accepted_type(head: bytearray, claims: Claims) -> str:
    media_type = media.detect(bytes(head))
    if not media.is_allowed(media_type, claims.media_types):
        raise errors.TypeRefused
    return media_type


def _give_up(upload: Upload, problem: errors.Problem, body: RequestBody) -> None:
    log.warning("aborted", extra={"upload_id": upload.id, "code": problem.code, "received": body.received})
    try:
        actions.abort(upload, problem.code)
    except actions.LeaseLost:
        log.warning("lease lost", extra={"upload_id": upload.id})
