"""A whole file in one request: `PUT /u` (RFC 9110). Cut off, it leaves an upload that either resumable protocol can finish."""

from services_app.uploads import headers
from services_app.uploads.actions import NewUpload
from services_app.uploads.models import Protocol


def new_upload(meta: dict) -> NewUpload:
    """Raises LengthRequired or RequestMalformed."""
    return NewUpload(
        protocol=Protocol.WHOLE,
        length=headers.body_length(meta.get("CONTENT_LENGTH", ""), meta.get("HTTP_TRANSFER_ENCODING", "")),
        name=headers.file_name(meta.get("HTTP_CONTENT_DISPOSITION", "")),
        digests=tuple(headers.whole_digests(meta).items()),
    )
