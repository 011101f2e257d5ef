"""What a sender can be told, as RFC 9457 problems: one class per cause, each with its `code` and status.

Problem
├── Unauthorised            401  carries the code of a TokenRefused
├── RequestMalformed        400  request_malformed
├── NoProtocol              400  request_malformed  (a POST of a whole file)
├── InconsistentLength      400  inconsistent_length
├── LengthNotReached        400  inconsistent_length  (what came is kept)
├── LengthExceeded          400  inconsistent_length  (the upload is over)
├── ChecksumUnsupported     400  checksum_unsupported
├── DigestInvalid           400  digest_invalid
├── DigestDiffers           400  digest_differs
├── LastBytesDiffer         400  digest_differs     (what was there before is kept)
├── ChecksumDiffers         400  checksum_differs
├── TusChecksumDiffers      460  checksum_differs   (of Upload-Checksum)
├── BodyCutOff              400  body_cut_off
├── NothingCame             400  body_cut_off       (and another one waits)
├── PartialBody             400  partial_body
├── PartRepeated            400  part_repeated
├── MetadataTooLarge        400  metadata_too_large
├── CollectionUnknown       403  collection_unknown
├── FinalUpload             403  final_upload
├── UploadNotYours          403  upload_not_yours
├── GrantRevoked            403  grant_revoked
├── PeerForbidden           403  peer_forbidden
├── TooManyTries            403  too_many_tries
├── NotFound                404  not_found
├── TrailingSlash           404  trailing_slash     (said by nginx)
├── UploadUnknown           404  upload_unknown
├── MethodNotAllowed        405  method_not_allowed
├── TooSlow                 408  too_slow
├── DeadlinePassed          408  deadline_passed
├── AlreadyCommitted        409  already_committed
├── UploadCommitted         409  already_committed  (this one upload; its token may be good for more)
├── WrongOffset             409  wrong_offset
├── UploadExpired           410  upload_expired
├── UploadCancelled         410  upload_cancelled
├── Superseded              410  superseded
├── UploadGone              410  upload_gone
├── LengthRequired          411  length_required
├── VersionUnsupported      412  version_unsupported
├── PreconditionFailed      412  precondition_failed
├── TooLarge                413  too_large
├── AppendTooLarge          413  too_large          (what was there before is kept)
├── TypeRefused             415  type_refused
├── AppendTypeRefused       415  append_type_refused
├── EnvelopeRefused         415  envelope_refused
├── CodingRefused           415  coding_refused
├── LengthDiffers           422  length_differs
├── GrantedLengthNotReached 422  length_differs  (what came is kept)
├── FolderRefused           422  folder_refused
├── Unstorable              422  unstorable
├── UploadInProgress        423  upload_in_progress
├── SlowDown                429  slow_down          (said by nginx)
├── TooManyUnfinished       429  too_many_unfinished
├── TooMuchUnfinished       429  too_much_unfinished
├── TooManyHere             429  too_many_unfinished_here
├── TooMuchHere             429  too_much_unfinished_here
├── TooManyUploads          429  too_many_uploads
├── ShareTaken              429  share_taken
├── InternalError           500  internal_error
├── Busy                    503  busy
├── Draining                503  draining           (said by nginx while nothing answers behind it)
├── WebBusy                 503  web_busy           (said by nginx while web_app is slow, and by web_app itself)
├── NoAnswer                503  no_answer          (said by nginx while what answers behind it hangs)
├── StoreUnavailable        503  store_unavailable
├── DatabaseUnavailable     503  database_unavailable
├── NoSpace                 507  no_space
└── QuotaExceeded           507  quota_exceeded
"""

import base64
from http import HTTPStatus

from services_app.store import errors as store_errors
from services_app.tokens.claims import Quota
from services_app.tokens.errors import TokenRefused

from .states import State

TYPE_PREFIX = "urn:problem-type:sluice:"
REGISTERED = "https://iana.org/assignments/http-problem-types#"


class Problem(Exception):
    """Base of all; never raised itself. `retry_after` is in seconds."""

    status: HTTPStatus
    code: str
    title: str
    detail: str
    reason: str | None = None  # for a status that HTTP does not know
    retry_after: int | None = None
    type: str = ""  # where a specification names one
    members: dict | None = None  # those that it defines besides, as far as they are known

    def document(self) -> dict:
        """The RFC 9457 body. Of what was sent it quotes offsets and digests at most, where a draft wants it."""
        return {
            "type": self.type or TYPE_PREFIX + self.code,
            "title": self.title,
            "status": int(self.status),
            "detail": self.detail,
            "code": self.code,
            **(self.members or {}),
        }


class Unauthorised(Problem):
    status = HTTPStatus.UNAUTHORIZED
    detail = "Ask the web tier for a new upload token and try again."

    def __init__(self, refused: TokenRefused):
        self.code, self.title = refused.code, refused.title


class RequestMalformed(Problem):
    status, code = HTTPStatus.BAD_REQUEST, "request_malformed"
    title, detail = "The request makes no sense", "A header is missing, malformed or contradicts another one."


class NoProtocol(RequestMalformed):
    detail = (
        "POST begins an upload of tus or of the IETF draft, and this speaks neither. "
        "A whole file is sent by PUT: curl -T FILE URL, without -X POST."
    )


class BodyCutOff(Problem):
    status, code = HTTPStatus.BAD_REQUEST, "body_cut_off"
    title, detail = "The file did not arrive whole", "The connection ended early. Go on where the upload stands, or send the file again."


class NothingCame(BodyCutOff):
    """A body without a byte, as of a pipe whose producer failed, does not take the place of bytes that were promised."""

    title = "No byte came"
    detail = (
        "An upload waits under this token, and nothing takes its place. Go on with it: curl -C OFFSET -T FILE URL. "
        "To store an empty file, give it up first: DELETE at its own URL."
    )


class PartialBody(Problem):
    """RFC 9110 section 14.5: 400 for a PUT with Content-Range that cannot be taken as what it is."""

    status, code = HTTPStatus.BAD_REQUEST, "partial_body"
    title = "Only a part of the file"
    detail = (
        "The headers say that the body is not the whole file. Send all of it: curl -T FILE URL. "
        "Or the rest from the offset that GET tells on: curl -C OFFSET -T FILE URL. "
        "Where several uploads wait, PATCH at the URL of one says which."
    )


class InconsistentLength(Problem):
    """The type is that of the IETF draft, section "Inconsistent Length"."""

    status, code = HTTPStatus.BAD_REQUEST, "inconsistent_length"
    title, detail = "The lengths contradict each other", "This request names another length than an earlier one."
    type = REGISTERED + "inconsistent-upload-length"


class LengthNotReached(InconsistentLength):
    """The request that was to complete the upload did not bring all of it. What came is kept."""

    detail = "The upload is shorter than was announced. Go on where it stands."


class LengthExceeded(InconsistentLength):
    """More bytes than announced: the upload is over."""

    detail = "The upload is longer than was announced. Nothing was stored."


class ChecksumUnsupported(Problem):
    """The type and member are those of draft-ietf-httpapi-digest-fields-problem-types, as of the two that follow."""

    status, code = HTTPStatus.BAD_REQUEST, "checksum_unsupported"
    title = "Unknown kind of checksum"
    detail = (
        "It could not be compared, so nothing was taken. Understood are Content-Digest and Repr-Digest (sha-256, sha-512), "
        "Patched-Digest (sha-256), Digest, Content-MD5, Upload-Checksum (see Tus-Checksum-Algorithm), and what the "
        "documentation lists of other systems; none of them in a trailer."
    )
    type = REGISTERED + "digest-unsupported-algorithms"

    def __init__(self, *unsupported: tuple[str, str]):
        """(header, algorithm) of each, where they are known."""
        entries = [{"algorithm": algorithm, "header": header} for header, algorithm in unsupported]
        self.members = {"unsupported_algorithms": entries} if entries else {}


class DigestInvalid(Problem):
    status, code = HTTPStatus.BAD_REQUEST, "digest_invalid"
    title, detail = "Not a digest of its kind", "A digest that was sent is not as long as those of its algorithm."
    type = REGISTERED + "digest-invalid-values"

    def __init__(self, *invalid: tuple[str, str, str]):
        """(header, algorithm, reason) of each, where they are known."""
        entries = [{"algorithm": name, "header": header, "reason": why} for header, name, why in invalid]
        self.members = {"invalid_digests": entries} if entries else {}


def _mismatched(checks) -> dict:
    entries = [
        {"algorithm": check.algorithm, "provided_digest": f":{base64.b64encode(check.digest).decode()}:"}
        | ({"header": check.header} if check.header else {})
        for check in checks
    ]
    return {"mismatched_digests": entries} if entries else {}


class DigestDiffers(Problem):
    status, code = HTTPStatus.BAD_REQUEST, "digest_differs"
    title, detail = (
        "Not the announced content",
        "The digest of what arrived differs from the announced one. Nothing was stored.",
    )
    type = REGISTERED + "digest-mismatched-values"

    def __init__(self, *mismatched):
        """digests.Check of each that its sender named; of one that stands in the token there is none."""
        self.mismatched, self.members = mismatched, _mismatched(mismatched)


class LastBytesDiffer(DigestDiffers):
    """The same while the sender can still put it right: the bytes of the last request are taken back."""

    detail = "With these bytes the file has another digest than the announced one. They were not kept. HEAD tells where it stands."


class ChecksumDiffers(Problem):
    status, code = HTTPStatus.BAD_REQUEST, "checksum_differs"
    title, detail = "The bytes were damaged on the way", "Nothing of this request was kept. Send it again."
    type = REGISTERED + "digest-mismatched-values"

    def __init__(self, *mismatched):
        """As of DigestDiffers."""
        self.members = _mismatched(mismatched)


class TusChecksumDiffers(ChecksumDiffers):
    """Of tus's own header, with the status that tus gave it."""

    status, reason = 460, "Checksum Mismatch"


class PartRepeated(Problem):
    status, code = HTTPStatus.BAD_REQUEST, "part_repeated"
    title = "A part is named twice"
    detail = "Each part of a concatenation can be in it once. Send what repeats as a part of its own."


class MetadataTooLarge(Problem):
    status, code = HTTPStatus.BAD_REQUEST, "metadata_too_large"
    title = "The metadata is too long"
    detail = "Upload-Metadata may hold 8192 bytes here."


class FinalUpload(Problem):
    status, code = HTTPStatus.FORBIDDEN, "final_upload"
    title, detail = "A concatenated upload takes no more bytes", "Append to its parts before they are put together."


class CollectionUnknown(Problem):
    status, code = HTTPStatus.FORBIDDEN, "collection_unknown"
    title, detail = "No such collection here", "The storage side does not have this collection. Tell its operator."


class UploadNotYours(Problem):
    status, code = HTTPStatus.FORBIDDEN, "upload_not_yours"
    title, detail = "The token speaks for another upload", "Use the token that this upload was started with."


class GrantRevoked(Problem):
    """The token is genuine and in time, but web_app has taken its permission back (ADR 0028)."""

    status, code = HTTPStatus.FORBIDDEN, "grant_revoked"
    title = "The permission was taken back"
    detail = "It ended before its time. What was stored before stays stored, with its receipt."


class PeerForbidden(Problem):
    status, code = HTTPStatus.FORBIDDEN, "peer_forbidden"
    title, detail = "Not for this client", "The client certificate or the API key does not open this."


class TooManyTries(Problem):
    status, code = HTTPStatus.FORBIDDEN, "too_many_tries"
    title = "Too many uploads were begun with this token"
    detail = "Ask the web tier for a new upload token."


class NotFound(Problem):
    status, code = HTTPStatus.NOT_FOUND, "not_found"
    title, detail = "Nothing here", "There is no such resource."


class TrailingSlash(Problem):
    """`curl -T FILE` puts the file's name behind a slash at the end of the URL."""

    status, code = HTTPStatus.NOT_FOUND, "trailing_slash"
    title = "The URL ends with a slash or a name"
    detail = "Behind a slash curl -T puts the name of the file. Leave out the slash at the end: curl -T FILE URL."


class UploadUnknown(Problem):
    status, code = HTTPStatus.NOT_FOUND, "upload_unknown"
    title, detail = "No such upload", "This token has no upload of this id."


class MethodNotAllowed(Problem):
    status, code = HTTPStatus.METHOD_NOT_ALLOWED, "method_not_allowed"
    title, detail = "Not with this method", "The Allow header lists what can be done here."

    def __init__(self, *allowed: str):
        self.allowed = allowed


class TooSlow(Problem):
    status, code = HTTPStatus.REQUEST_TIMEOUT, "too_slow"
    title, detail = "The data came too slowly", "The connection stalled. Go on where the upload stands, or send the file again."


class DeadlinePassed(Problem):
    status, code = HTTPStatus.REQUEST_TIMEOUT, "deadline_passed"
    title, detail = "The upload took too long", "One request may not take this long. Go on where the upload stands."


class AlreadyCommitted(Problem):
    status, code = HTTPStatus.CONFLICT, "already_committed"
    title, detail = "It is stored already", "All that this token allows is stored. GET shows the receipt of each upload."


class UploadCommitted(AlreadyCommitted):
    """What is told of one upload, whatever else its token allows."""

    title, detail = "The file is stored already", "It takes no more bytes. GET shows its receipt."

    def __init__(self, offset: int | None = None):
        self.offset = offset


class WrongOffset(Problem):
    """The type and members are those of the IETF draft, section "Mismatching Offset"."""

    status, code = HTTPStatus.CONFLICT, "wrong_offset"
    title = "Not where the upload stands"
    detail = "Upload-Offset says where to go on; with curl: curl -C OFFSET -T FILE URL."
    type = REGISTERED + "mismatching-upload-offset"

    def __init__(self, expected: int | None = None, provided: int | None = None):
        """Both, or neither where only the code is known any more."""
        self.offset = expected
        self.members = {} if expected is None else {"expected-offset": expected, "provided-offset": provided}


class UploadExpired(Problem):
    status, code = HTTPStatus.GONE, "upload_expired"
    title, detail = "The upload waited too long", "What had arrived was removed. Start again."


class UploadCancelled(Problem):
    status, code = HTTPStatus.GONE, "upload_cancelled"
    title, detail = "The upload was cancelled", "What had arrived was removed."


class Superseded(Problem):
    status, code = HTTPStatus.GONE, "superseded"
    title, detail = "The upload was begun anew", "A newer upload under the same token has taken its place."


class UploadGone(Problem):
    status, code = HTTPStatus.GONE, "upload_gone"
    title, detail = "The upload has ended", "It takes no more bytes."


class LengthRequired(Problem):
    status, code = HTTPStatus.LENGTH_REQUIRED, "length_required"
    title, detail = "No length", "Send Content-Length, or the body in chunks."


class VersionUnsupported(Problem):
    status, code = HTTPStatus.PRECONDITION_FAILED, "version_unsupported"
    title, detail = "Another version of the protocol", "Tus-Version lists the versions that are spoken here."


class PreconditionFailed(Problem):
    status, code = HTTPStatus.PRECONDITION_FAILED, "precondition_failed"
    title = "The condition does not hold"
    detail = (
        "If-Match or If names a version that is to be replaced, and nothing is ever replaced here. "
        "Send the file without it: curl -T FILE URL."
    )


class TooLarge(Problem):
    status, code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large"
    title, detail = "The file is too large", "It is over the limit of its collection. Nothing was stored."

    def __init__(self, limit: int | None = None):
        """The most bytes that a file may have here, where that is the bound."""
        self.members = {} if limit is None else {"limit": limit}


class AppendTooLarge(TooLarge):
    """More bytes than the upload has left. Where it stood before, it can go on."""

    detail = "These are more bytes than the upload has left. HEAD tells where it stands."


class TypeRefused(Problem):
    status, code = HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "type_refused"
    title, detail = (
        "Not a type of file that goes here",
        "The collection does not take files of this type. Nothing was stored.",
    )

    def __init__(self, detected: str = ""):
        self.detected = detected  # the media type that the bytes were taken for, in words of media/table.py

    def document(self) -> dict:
        return super().document() | ({"detected": self.detected} if self.detected else {})


class FolderRefused(Problem):
    """An archive that says it is a folder (content/folder.py) and cannot be unpacked as one. What it holds is not named."""

    status, code = HTTPStatus.UNPROCESSABLE_ENTITY, "folder_refused"
    title = "Not a folder that can be taken"
    detail = "It says that it is a folder, and is not made as one. Nothing was stored."
    _WHY = {
        "form": "It is no plain tar (POSIX.1-2001, pax).",
        "kind": "Something in it is neither a file nor a folder.",
        "path": "A name in it leads out of the folder, is too long, or has something in it that not every system takes.",
        "twice": "Two names in it are one, or would be where capitals are not told from small letters.",
        "count": "It holds no file, or too many.",
        "length": "Its members do not add up to its length.",
    }

    def __init__(self, reason: str | None = None):
        """One of those above, where it is known."""
        if reason is not None:
            self.detail, self.members = f"{self._WHY[reason]} Nothing was stored.", {"reason": reason}


class AppendTypeRefused(Problem):
    status, code = HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "append_type_refused"
    title = "Not a body to append"
    detail = "Send it as application/offset+octet-stream (tus) or application/partial-upload."


class EnvelopeRefused(Problem):
    status, code = HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "envelope_refused"
    title = "Something around the file"
    detail = (
        "A form or a message would be stored in place of the file in it. "
        "Send the file alone, as application/octet-stream: curl -T FILE URL."
    )


class CodingRefused(Problem):
    """RFC 9110 section 15.5.16: Accept-Encoding beside it says that it is the coding."""

    status, code = HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "coding_refused"
    title = "The file is coded"
    detail = "What is stored is what is sent. Send the file as it is, without Content-Encoding: curl -T FILE URL."


class LengthDiffers(Problem):
    status, code = HTTPStatus.UNPROCESSABLE_ENTITY, "length_differs"
    title, detail = "Not the announced length", "The token names another length than the request. Nothing was stored."


class GrantedLengthNotReached(LengthDiffers):
    """A chunked body ended before the length that the token names. What came is kept."""

    detail = "The file is shorter than the token says. Go on where it stands, or send the whole file again."


class Unstorable(Problem):
    status, code = HTTPStatus.UNPROCESSABLE_ENTITY, "unstorable"
    title, detail = (
        "The storage can never take this file",
        "It is larger than a file may be there, or its collection lies where no stored file can get to. "
        "Nothing was stored. Tell the operator.",
    )


class UploadInProgress(Problem):
    status, code, retry_after = HTTPStatus.LOCKED, "upload_in_progress", 1
    title, detail = "Another request is sending this", "Wait until it has ended, then look at the upload's state."


class SlowDown(Problem):
    status, code, retry_after = HTTPStatus.TOO_MANY_REQUESTS, "slow_down", 5
    title, detail = "Too many requests", "Wait a little and try again."


class TooManyUnfinished(Problem):
    status, code, retry_after = HTTPStatus.TOO_MANY_REQUESTS, "too_many_unfinished", 60
    title = "Too many of your uploads are unfinished"
    detail = "Complete or cancel some of them first."


class TooMuchUnfinished(Problem):
    status, code, retry_after = HTTPStatus.TOO_MANY_REQUESTS, "too_much_unfinished", 60
    title = "Your unfinished uploads hold too much"
    detail = "Complete or cancel some of them first."


class TooManyHere(Problem):
    status, code, retry_after = HTTPStatus.TOO_MANY_REQUESTS, "too_many_unfinished_here", 60
    title = "Too many of your uploads to this collection are unfinished"
    detail = "Complete or cancel some of them first."


class TooMuchHere(Problem):
    status, code, retry_after = HTTPStatus.TOO_MANY_REQUESTS, "too_much_unfinished_here", 60
    title = "Your unfinished uploads to this collection hold too much"
    detail = "Complete or cancel some of them first."


class TooManyUploads(Problem):
    status, code, retry_after = HTTPStatus.TOO_MANY_REQUESTS, "too_many_uploads", 3600
    title = "Too many of your uploads were begun today"
    detail = "Yours can start tomorrow, by the day of UTC."


class ShareTaken(Problem):
    status, code, retry_after = HTTPStatus.TOO_MANY_REQUESTS, "share_taken", 10
    title = "Your share is in use"
    detail = "One person may use only a part of what all share. Go on when another request of yours has ended."


class InternalError(Problem):
    status, code = HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error"
    title, detail = "A fault on our side", "Nothing was stored. Try again, and tell the operator if it stays."


class Busy(Problem):
    status, code, retry_after = HTTPStatus.SERVICE_UNAVAILABLE, "busy", 10
    title, detail = "As many uploads are running as we take", "Yours can start when another one has ended."


class Draining(Problem):
    status, code, retry_after = HTTPStatus.SERVICE_UNAVAILABLE, "draining", 5
    title, detail = "The service is restarting", "Nothing is lost. Try again in a moment."


class WebBusy(Problem):
    status, code, retry_after = HTTPStatus.SERVICE_UNAVAILABLE, "web_busy", 5
    title = "The web application is busy"
    detail = "It did not answer in time. Running uploads go on. Look what became of the request before you send it again."


class NoAnswer(Problem):
    status, code, retry_after = HTTPStatus.SERVICE_UNAVAILABLE, "no_answer", 30
    title, detail = (
        "The storage side does not answer",
        "Try again later; ask for the upload's state before you send it again.",
    )


class StoreUnavailable(Problem):
    status, code, retry_after = HTTPStatus.SERVICE_UNAVAILABLE, "store_unavailable", 30
    title, detail = (
        "The storage is not available",
        "Try again later; ask for the upload's state before you send it again.",
    )


class DatabaseUnavailable(Problem):
    status, code, retry_after = HTTPStatus.SERVICE_UNAVAILABLE, "database_unavailable", 10
    title, detail = (
        "The storage side cannot keep its records now",
        "Nothing is lost. Try again later; ask for the upload's state before you send it again.",
    )


class NoSpace(Problem):
    status, code = HTTPStatus.INSUFFICIENT_STORAGE, "no_space"
    title = "The storage is full"
    detail = (
        "There is no room for it now. An upload that waits under this token keeps its place: go on with it, or DELETE it first. "
        "Else tell the operator, and try again later."
    )

    def __init__(self, left: int | None = None):
        """Bytes for which this person would find room now, where that is known."""
        self.members = {} if left is None else {"left": left}


class QuotaExceeded(Problem):
    """RFC 4918 section 11.5, and one that an operator has set: `limit` and what is `left` of it are bytes or objects."""

    status, code = HTTPStatus.INSUFFICIENT_STORAGE, "quota_exceeded"
    title = "More than the quota leaves room for"
    detail = (
        "What is stored and what is under way would be more than may be stored there. "
        "Cancel what is unfinished and not needed, or ask the operator for more."
    )

    def __init__(self, quota: Quota | None = None, left: int = 0):
        """Both, or neither where only the code is known any more."""
        self.members = {} if quota is None else {"quota": quota.of, "unit": quota.unit, "limit": quota.limit, "left": left}


_OF_STORE = (
    (store_errors.StoreFull, NoSpace),
    (store_errors.CollectionUnknown, CollectionUnknown),
    (store_errors.Unstorable, Unstorable),
    (store_errors.StagedBytesLost, UploadGone),
)


def of_differing(checks) -> Problem:
    """What is told of a body that is not what these digests of it say."""
    of_tus = any(check.header == "Upload-Checksum" for check in checks)
    return (TusChecksumDiffers if of_tus else ChecksumDiffers)(*checks)


def of_store(error: store_errors.StoreError) -> Problem:
    """What a sender is told of a store error."""
    return next((problem() for kind, problem in _OF_STORE if isinstance(error, kind)), StoreUnavailable())


_GIVEN_UP = {cls.code: cls for cls in (UploadExpired, UploadCancelled, Superseded, GrantRevoked)}


def was_given_up(upload) -> bool:
    """Whether its sender let it go: then there is no such resource any more, also for who only asks."""
    return upload.terminated or (upload.state == State.ABORTED and upload.problem in _GIVEN_UP)


def of_ended(upload) -> Problem:
    """What is told of an upload that takes no more bytes."""
    if upload.terminated:
        return UploadGone()
    if upload.state == State.COMMITTED:
        return UploadCommitted(upload.offset)
    return _GIVEN_UP.get(upload.problem, UploadGone)()


def table() -> dict[str, int]:
    """Every code with its status: what docs/upload-api.md and nginx's map are compared with."""
    codes = {cls.code: int(cls.status) for cls in Problem.__subclasses__() if cls is not Unauthorised}
    return codes | {cls.code: int(Unauthorised.status) for cls in TokenRefused.__subclasses__()}


def describe(code: str, detected: str = "") -> dict | None:
    """The problem document of a stored code, or None for no code. `detected` is for TypeRefused, as it was told then."""
    if code == TypeRefused.code:
        return TypeRefused(detected).document()
    for cls in Problem.__subclasses__():
        if cls is not Unauthorised and cls.code == code:
            return cls().document()
    for refused in TokenRefused.__subclasses__():
        if refused.code == code:
            return Unauthorised(refused()).document()
    return None
