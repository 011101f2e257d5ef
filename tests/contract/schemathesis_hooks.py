"""Bodies of the two protocols are bytes, which schemathesis cannot know (SCHEMATHESIS_HOOKS)."""

import schemathesis


@schemathesis.serializer("application/offset+octet-stream", "application/partial-upload")
def as_bytes(ctx, value):
    return value if isinstance(value, bytes) else str(value).encode()
