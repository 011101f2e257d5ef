"""What each end of a request means for the bytes of its upload, as a table (states.py is the one of the states)."""

import logging
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from services_app.config import connections
from services_app.store import errors as store_errors
from services_app.store.current import current_store
from services_app.uploads import actions, errors, outage
from services_app.uploads.models import Upload
from services_app.uploads.states import State
from services_app.uploads.tidy import tidying

log = logging.getLogger("sluice.uploads")


class Fate(StrEnum):
    KEPT = "kept"  # all that came is made durable and promised, unless a checksum had yet to agree; the upload waits behind it
    CUT_BACK = "cut back"  # the upload waits at its last checkpoint; what came after that is removed
    GIVEN_UP = "given up"  # aborted, and its bytes removed
    UNCERTAIN = "uncertain"  # whole and durable, perhaps visible: left as it is, and whoever asks next finds out
    THEIRS = "theirs"  # somebody else's by now, and left alone


@dataclass(frozen=True, slots=True)
class End:
    """One line. `told` is what the sender hears, None for the fault itself."""

    fault: type[BaseException]
    receiving: Fate
    committing: Fate
    told: type[errors.Problem] | None = None


# The first line that fits counts. What was promised is durable, and stays so in every line but those that give it up.
ENDS = (
    End(actions.LeaseLost, Fate.THEIRS, Fate.THEIRS, errors.UploadInProgress),
    # The sender did no harm and may go on behind what came.
    End(errors.BodyCutOff, Fate.KEPT, Fate.UNCERTAIN),
    End(errors.TooSlow, Fate.KEPT, Fate.UNCERTAIN),
    End(errors.DeadlinePassed, Fate.KEPT, Fate.UNCERTAIN),
    End(errors.AppendTooLarge, Fate.KEPT, Fate.UNCERTAIN),
    End(errors.LengthNotReached, Fate.KEPT, Fate.UNCERTAIN),
    End(errors.GrantedLengthNotReached, Fate.KEPT, Fate.UNCERTAIN),
    # This request was not taken; what came before it is good.
    End(errors.ChecksumDiffers, Fate.CUT_BACK, Fate.UNCERTAIN),
    End(errors.LastBytesDiffer, Fate.CUT_BACK, Fate.UNCERTAIN),
    End(errors.RequestMalformed, Fate.CUT_BACK, Fate.UNCERTAIN),
    End(errors.TooMuchUnfinished, Fate.CUT_BACK, Fate.UNCERTAIN),
    End(errors.TooMuchHere, Fate.CUT_BACK, Fate.UNCERTAIN),
    End(errors.QuotaExceeded, Fate.CUT_BACK, Fate.UNCERTAIN),
    End(errors.StoreUnavailable, Fate.CUT_BACK, Fate.UNCERTAIN),
    End(errors.DatabaseUnavailable, Fate.CUT_BACK, Fate.UNCERTAIN),
    # Every other refusal is about the file itself.
    End(errors.Problem, Fate.GIVEN_UP, Fate.UNCERTAIN),
    # The store.
    End(store_errors.StagedBytesLost, Fate.GIVEN_UP, Fate.UNCERTAIN, errors.UploadGone),
    End(store_errors.Unstorable, Fate.GIVEN_UP, Fate.UNCERTAIN, errors.Unstorable),  # no file may be so large
    End(store_errors.StoreFull, Fate.CUT_BACK, Fate.UNCERTAIN, errors.NoSpace),
    End(store_errors.StoreError, Fate.CUT_BACK, Fate.UNCERTAIN, errors.StoreUnavailable),
    # A fault of our own, or the end of the process.
    End(BaseException, Fate.CUT_BACK, Fate.UNCERTAIN),
)


# Where its first request ends so, nobody was told where the upload is: nobody could go on with it, and others need the space.
_UNTOLD = (
    errors.AppendTooLarge,
    errors.ChecksumDiffers,
    errors.NoSpace,
    errors.QuotaExceeded,
    errors.TooMuchUnfinished,
    errors.TooMuchHere,
)


def of(fault: BaseException) -> End:
    """The line for what ended a request."""
    kind = errors.DatabaseUnavailable if outage.is_of_the_database(fault) else type(fault)
    return next(end for end in ENDS if issubclass(kind, end.fault))


def meet(
    upload: Upload, fault: BaseException, *, received: int = 0, is_new: bool = False, can_go_on: bool = True
) -> BaseException:
    """Do with the bytes what the table says, and return what to raise: `fault` itself or what is told instead of it.

    Whatever fails on the way changes nothing of that. Without `can_go_on` there is no sender who could, so what would wait is
    given up; so is that of a request which began the upload (`is_new`) where it cannot have learnt where it is.
    """
    end = of(fault)
    # Not only `committing`: where the last transaction failed, the object in memory is a step ahead of the database.
    fate = end.receiving if upload.state == State.RECEIVING else end.committing
    can_go_on = can_go_on and not (is_new and issubclass(end.told or type(fault), _UNTOLD))
    if not can_go_on and fate in (Fate.KEPT, Fate.CUT_BACK):
        fate = Fate.GIVEN_UP
    told = _told(fault, end, fate)
    code = getattr(told, "code", errors.InternalError.code)
    extra = {"upload_id": upload.id, "code": code, "received": received, "offset": upload.offset}
    level = logging.ERROR if fate is Fate.UNCERTAIN else logging.WARNING
    log.log(level, fate.value, extra=extra, exc_info=fate is Fate.UNCERTAIN or told is not fault)
    with tidying(upload.id):
        connections.give_back()  # the one that failed, if it was that; another one may live
        _BRING_ABOUT[fate](upload, code)
    return told


def _told(fault: BaseException, end: End, fate: Fate) -> BaseException:
    if outage.is_of_the_database(fault):
        return errors.DatabaseUnavailable()
    if fate is Fate.UNCERTAIN and isinstance(fault, Exception):
        # Also where it is full: the bytes are there, and nobody needs to send them again.
        return errors.StoreUnavailable()
    return fault if end.told is None else end.told()


def _wait(upload: Upload, code: str) -> None:
    upload.refresh_from_db(fields=["offset"])  # a promise whose own answer was lost may have been kept
    with tidying(upload.id):
        staged = current_store().staged_size(upload.id)
        if staged is not None and (staged > upload.offset or upload.offset == 0):
            # Now, while it is ours: whoever goes on makes a file of the same name, and others need the space.
            actions.keep_lease(upload)
            cut_back(upload)
    actions.wait(upload, problem=code)


def cut_back(upload: Upload) -> None:
    """Remove from staging what was not promised. Raises StoreError."""
    if upload.offset == 0:
        discard(upload)
        return
    with current_store().stage(upload.id, upload.offset):
        pass


def give_up(upload: Upload, code: str) -> None:
    """Abort an upload and remove its bytes. Raises LeaseLost, StoreError or an error of the database."""
    actions.abort(upload, code)
    discard(upload)


def discard(upload: Upload) -> None:
    """Remove what lies in the store of an upload that has ended without an object, or has none of its bytes. Raises StoreError."""
    current_store().discard(upload.id, actions.directory_of(upload))


def discard_ended(upload: Upload) -> None:
    """Remove the bytes of those that have ended with this: the one that stood aside for it, and the parts of which it was made.
    Never raises: `recover` finds what stays.
    """
    others = [*([upload.supersedes] if upload.supersedes else []), *actions.parts_of(upload)]
    with tidying(upload.id):
        for ended in _aborted(id__in=others, grant_id=upload.grant_id):
            discard(ended)


def discard_aborted(upload_id: uuid.UUID) -> None:
    """Remove the bytes of an upload that somebody else aborted. Never raises: `recover` finds what stays."""
    with tidying(upload_id):
        for ended in _aborted(id=upload_id):
            discard(ended)


def _release(upload: Upload, code: str) -> None:
    actions.release(upload)


def _leave(upload: Upload, code: str) -> None:
    """Unless it was given up meanwhile, before this request had made its file."""
    for ended in _aborted(id=upload.id):
        discard(ended)


def _aborted(**which) -> Iterable[Upload]:
    return Upload.objects.select_related("grant").filter(state=State.ABORTED, **which)


_BRING_ABOUT = {
    Fate.KEPT: _wait,  # receive() has saved what came, while the file was open
    Fate.CUT_BACK: _wait,
    Fate.GIVEN_UP: give_up,
    Fate.UNCERTAIN: _release,
    Fate.THEIRS: _leave,
}
