"""tus "Concatenation": one upload out of several, without a second copy where the file system can share the bytes."""

from functools import partial

from services_app.store.current import current_store
from services_app.store.digest import Sha256
from services_app.store.errors import StoreUnavailable
from services_app.tokens.claims import Claims
from services_app.uploads import actions, errors, policies
from services_app.uploads.models import Upload
from services_app.uploads.ownership import writers
from services_app.uploads.protocols import tus
from services_app.uploads.states import State
from services_app.uploads.wire.digests import differing

from . import buffers, ends
from .receive import check_whole, commit


def create_final(claims: Claims, new: actions.NewUpload, base: str, lengths: set[int] = frozenset()) -> Upload:
    """Put the finished parts that `new.concat` names together, in that order, and commit the result. `base`: see tus.part_ids;
    `lengths`: what its sender says of the whole in other words.

    The parts go with the commit. Before a byte is copied all that can be known is judged: what they are, how much together, whether
    there is room (ADR 0026). Raises RequestMalformed for a part that is unknown, of another token, no part, or not finished,
    PartRepeated, InconsistentLength, NothingCame, and whatever policies.may_concatenate and a commit raise.
    """
    ids = tus.part_ids(new.concat, base)
    known = {part_id: _part(claims, part_id) for part_id in set(ids)}
    parts = [known[part_id] for part_id in ids]
    filled = [part.id for part in parts if part.offset]
    if len(set(filled)) < len(filled):
        raise errors.PartRepeated
    length = sum(part.offset for part in parts)
    if lengths - {length}:
        raise errors.InconsistentLength
    if not length and policies.slot_for(claims)[1]:
        raise errors.NothingCame
    policies.may_concatenate(claims, length, known)
    upload, gave_way = actions.create(claims, new, receiving=True, bringing=length)
    store = current_store()
    try:
        for waiting in gave_way:
            ends.discard_aborted(waiting)
        actions.set_length(upload, length)
        with writers.writing(upload, claims=claims):
            room = partial(policies.check_room_left, upload)
            store.concatenate([(part.id, part.offset) for part in parts], upload.id, room)
            with store.stage(upload.id, length) as staged:
                digest = _digest(parts[0], staged)
                media_type, unpacks = check_whole(upload, claims, staged, "", digest.hexdigest())
                if others := differing(new.digests, {"sha256": bytes.fromhex(digest.hexdigest())}):
                    raise errors.DigestDiffers(*others)
            facts = {"size": length, "sha256": digest.hexdigest(), "media_type": media_type, "unpacks": unpacks}
            actions.begin_commit(upload, **facts)
            commit(upload)
    except BaseException as exc:
        told = ends.meet(upload, exc, can_go_on=False)
        ends.discard_aborted(upload.id)  # by a revocation, while the parts were copied
        if told is exc:
            raise
        raise told from exc
    finally:
        ends.discard_ended(upload)
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
    with buffers.wiped(1 << 20) as buffer:
        while at < staged.size:
            count = staged.read(buffer, at)
            if count == 0:
                raise StoreUnavailable
            digest.update(buffer[:count])
            at += count
    return digest
