"""tus "Concatenation": one upload out of several, without a second copy where the file system can share the bytes."""

from services_app.store.current import current_store
from services_app.store.digest import Sha256
from services_app.store.errors import StoreUnavailable
from services_app.tokens.claims import Claims
from services_app.uploads import actions, errors, policies
from services_app.uploads.models import Upload
from services_app.uploads.ownership import writers
from services_app.uploads.protocols import tus
from services_app.uploads.states import State
from services_app.uploads.tidy import tidying
from services_app.uploads.wire.digests import differing

from . import ends
from .receive import check_whole, commit


def create_final(claims: Claims, new: actions.NewUpload, base: str, makes_room: bool = False) -> Upload:
    """Put the finished parts that `new.concat` names together, in that order, and commit the result. `base`: see tus.part_ids;
    `makes_room`: see actions.create.

    Parts may be used again, and are removed once they expire. Raises RequestMalformed for a part that is unknown, of
    another token, no part, or not finished, and whatever a commit raises.
    """
    parts = [_part(claims, part_id) for part_id in tus.part_ids(new.concat, base)]
    length = sum(part.offset for part in parts)
    policies.check_length(claims, length)
    upload, gave_way = actions.create(claims, new, receiving=True, makes_room=makes_room)
    store = current_store()
    try:
        for waiting in gave_way:
            with tidying(waiting):
                store.discard(waiting)
        actions.set_length(upload, length)
        with writers.writing(upload):
            store.concatenate([(part.id, part.offset) for part in parts], upload.id)
            with store.stage(upload.id, length) as staged:
                digest = _digest(parts[0], staged)
                media_type = check_whole(upload, claims, staged, "", digest.hexdigest())
                if others := differing(new.digests, {"sha256": bytes.fromhex(digest.hexdigest())}):
                    raise errors.DigestDiffers(*others)
            actions.begin_commit(upload, size=length, sha256=digest.hexdigest(), media_type=media_type)
            commit(upload)
    except BaseException as exc:
        told = ends.meet(upload, exc, can_go_on=False)
        if told is exc:
            raise
        raise told from exc
    finally:
        ends.discard_superseded(upload)
    return upload


def _part(claims: Claims, part_id) -> Upload:
    part = Upload.objects.filter(id=part_id, grant_id=claims.jti, concat="partial", state=State.WAITING).first()
    if part is None or part.length is None or part.offset != part.length:
        raise errors.RequestMalformed
    return part


def _digest(first: Upload, staged) -> Sha256:
    """The first part's digest goes on over the others, which are read once."""
    try:
        digest, at = Sha256(bytes(first.digest_state or b"")), first.offset
    except ValueError:  # lost, or of another make
        digest, at = Sha256(), 0
    buffer = memoryview(bytearray(1 << 20))
    while at < staged.size:
        count = staged.read(buffer, at)
        if count == 0:
            raise StoreUnavailable
        digest.update(buffer[:count])
        at += count
    return digest
