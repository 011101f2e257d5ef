"""Passkeys (WebAuthn): what a browser is asked, and whether what it answers is right.

`fido2` reads and verifies; here stands what is a rule of this place. Whom the authenticator did not verify (by a finger, a face, a PIN) is
not let in, so that a passkey is both factors in one. Attestation is not asked for: which make of authenticator people use is their affair.
"""

import base64
import contextlib
import json
import secrets
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

from django.conf import settings
from django.core import signing
from fido2.server import Fido2Server
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialUserEntity,
    RegistrationResponse,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from web_app.accounts.models import Passkey, User

_SALT = "web_app.accounts.factors.passkeys"
GOOD_FOR = 600  # seconds to answer in
LONGEST_ID = 1023  # bytes of a credential's id (WebAuthn, section 4)
_TO_SIGN_IN = "sign in"


class NotRight(Exception):
    """No answer to what we asked, or of nobody that is known. No more is said of it."""


def asked_to_make(person: User) -> dict:
    """What the page hands to `navigator.credentials.create`, and the `state` that its answer must come back with."""
    user = PublicKeyCredentialUserEntity(
        id=person.uploader_id.encode(), name=person.get_username(), display_name=person.get_username()
    )
    known = [_credential(one) for one in person.passkeys.all()]
    options, state = _server().register_begin(
        user, known, resident_key_requirement=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
    )
    return _asked(options, state, person.uploader_id)


def made(person: User, answer: str, state: str) -> tuple[AttestedCredentialData, int]:
    """What was made, and how often its authenticator says that it has signed. Raises NotRight."""
    _, challenged = _state(state, person.uploader_id)
    with _whatever_is_wrong_is_not_right():
        data = _server().register_complete(challenged, RegistrationResponse.from_dict(json.loads(answer)))
    if len(data.credential_data.credential_id) > LONGEST_ID:
        raise NotRight
    return data.credential_data, data.counter


def asked_to_sign_in() -> dict:
    """The same for `navigator.credentials.get`. Nothing is kept here: strangers may ask as often as they like."""
    options, state = _server().authenticate_begin(None, user_verification=UserVerificationRequirement.REQUIRED)
    return _asked(options, state, _TO_SIGN_IN)


def shown(answer: str, state: str) -> tuple[Passkey, int, int]:
    """Whose passkey signed, when that was asked for (ns), and how often the authenticator says that it has signed. That it counts once is
    for who keeps it. Raises NotRight.
    """
    asked_at, challenged = _state(state, _TO_SIGN_IN)
    with _whatever_is_wrong_is_not_right():
        response = AuthenticationResponse.from_dict(json.loads(answer))
    kept = Passkey.objects.select_related("person").filter(credential_id=spelled(response.raw_id), person__is_active=True).first()
    if kept is None or response.response.user_handle not in (None, kept.person.uploader_id.encode()):
        raise NotRight
    with _whatever_is_wrong_is_not_right():
        _server().authenticate_complete(challenged, [_credential(kept)], response)
    return kept, asked_at, response.response.authenticator_data.counter


@contextlib.contextmanager
def _whatever_is_wrong_is_not_right() -> Iterator[None]:
    """Strangers write what is read within; `fido2` has no one exception for all that may be wrong with it."""
    try:
        yield
    except Exception as exc:
        raise NotRight from exc


def spelled(credential_id: bytes) -> str:
    return base64.urlsafe_b64encode(credential_id).rstrip(b"=").decode()


def _credential(kept: Passkey) -> AttestedCredentialData:
    return AttestedCredentialData(base64.b64decode(kept.credential))


def _server() -> Fido2Server:
    """For this host by its whole name, and pages of this very origin: a sibling's page is none of ours."""
    party = PublicKeyCredentialRpEntity(name="Sluice", id=urlsplit(settings.PUBLIC_URL).hostname)
    return Fido2Server(party, verify_origin=lambda origin: origin == settings.PUBLIC_URL)


def _asked(options, state: dict, purpose: str) -> dict:
    return {
        "options": dict(options.public_key),
        "state": signing.dumps([time.time_ns(), {**state}, purpose], salt=_SALT),
    }


def _state(text: str, purpose: str) -> tuple[int, dict]:
    try:
        asked_at, state, of = signing.loads(text, salt=_SALT, max_age=GOOD_FOR)
    except (signing.BadSignature, ValueError, TypeError) as exc:
        raise NotRight from exc
    if not secrets.compare_digest(of, purpose):
        raise NotRight
    return asked_at, state
