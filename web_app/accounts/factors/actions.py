"""Second factors are added, used and removed: each with its audit event, in one transaction.

A code counts once, whichever process it is shown to: it is spent by one conditional UPDATE, and who changed the row is who may go on.
"""

import base64
import logging
import time

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from fido2.webauthn import AttestedCredentialData

from web_app.accounts import sessions
from web_app.accounts.factors import passkeys, recovery, sealing, totp
from web_app.accounts.factors.policies import has_factor, may_remove_one
from web_app.accounts.models import Passkey, RecoveryCode, Totp, User
from web_app.audit.models import Action
from web_app.audit.record import Who, record

logger = logging.getLogger(__name__)

# As the audit names them.
APP, PASSKEY, CODES = "totp", "passkey", "recovery_codes"
MOST_PASSKEYS = 20  # of one person


class NotAdded(Exception):
    """Why a passkey was not added, in words for its person."""


def add_app(person: User, secret: bytes, typed: str, *, who: Who, may_replace: bool) -> bool:
    """The app shows the right code for this secret, so it is the person's from now on, in the place of one that was; False for a wrong
    code, and where one was and may not be replaced. The code is spent.
    """
    step = totp.step_of(secret, typed, time.time())
    if step is None:
        return False
    with transaction.atomic():
        _one_after_the_other(person)
        if Totp.objects.filter(person=person).exists():
            if not may_replace:
                return False
            _record(who, Action.FACTOR_REMOVED, person, APP)
        kept = {"sealed": sealing.seal(secret, person.uploader_id), "last_step": step}
        person.totp, _ = Totp.objects.update_or_create(person=person, defaults=kept)
        _record(who, Action.FACTOR_ADDED, person, APP)
    return True


def add_passkey(person: User, name: str, made: AttestedCredentialData, signed: int, *, who: Who) -> None:
    """Raises NotAdded."""
    with transaction.atomic():
        _one_after_the_other(person)
        if person.passkeys.count() >= MOST_PASSKEYS:
            raise NotAdded(_("You have %(count)s passkeys already. Remove one that is not needed.") % {"count": MOST_PASSKEYS})
        credential_id, credential = passkeys.spelled(made.credential_id), base64.b64encode(made).decode()
        if Passkey.objects.filter(credential_id=credential_id).exists():
            raise NotAdded(_("That passkey is here already."))
        person.passkeys.create(name=name, credential_id=credential_id, credential=credential, signed=signed)
        _record(who, Action.FACTOR_ADDED, person, PASSKEY)


def use_passkey(kept: Passkey, asked_at: int, signed: int, *, who: Who) -> bool:
    """It signed what was asked for then: once, and no less often than before, or it is a copy (WebAuthn, section 6.1.1)."""
    with transaction.atomic():
        is_newer = Passkey.objects.filter(pk=kept.pk, last_asked_at__lt=asked_at)
        if signed or kept.signed:
            is_newer = is_newer.filter(signed__lt=signed)
        is_right = is_newer.update(last_asked_at=asked_at, signed=signed, last_used_at=timezone.now()) == 1
        if is_right:
            _record(who, Action.FACTOR_USED, kept.person, PASSKEY)
    return is_right


def remove(person: User, found: QuerySet, kind: str, *, who: Who) -> None:
    """The app, or a passkey, of this person, unless one has to stay. With the last factor go the recovery codes."""
    with transaction.atomic():
        _one_after_the_other(person)
        if may_remove_one(User.objects.get(pk=person.pk)) and found.filter(person=person).delete()[0]:
            _record(who, Action.FACTOR_REMOVED, person, kind)
            if not has_factor(User.objects.get(pk=person.pk)):
                RecoveryCode.objects.filter(person=person).delete()


def make_recovery_codes(person: User, *, who: Who) -> list[str]:
    """To be shown once. Those of before are worth nothing from now on."""
    codes = recovery.new_codes()
    with transaction.atomic():
        _one_after_the_other(person)  # or there would be twenty
        RecoveryCode.objects.filter(person=person).delete()
        RecoveryCode.objects.bulk_create(
            RecoveryCode(person=person, digest=recovery.digest(code, person.uploader_id)) for code in codes
        )
        _record(who, Action.RECOVERY_CODES_MADE, person, CODES)
    return codes


def use_code(person: User, typed: str, *, who: Who) -> str:
    """Spend a code of the app, or a recovery code: which of the two it was (APP, CODES), empty for neither."""
    with transaction.atomic():
        kind = APP if _spend_app_code(person, typed) else CODES if _spend_recovery_code(person, typed) else ""
        if kind:
            _record(who, Action.FACTOR_USED, person, kind)
    return kind


def _spend_app_code(person: User, typed: str) -> bool:
    kept = Totp.objects.filter(person=person).first()
    if kept is None:
        return False
    try:
        step = totp.step_of(sealing.opened(kept.sealed, person.uploader_id), typed, time.time())
    except sealing.NotOpened:
        logger.error("factor_not_opened", extra={"person": person.uploader_id})
        return False
    # An older step than the last is no use either: who looked over a shoulder has that one (RFC 6238, section 5.2).
    return step is not None and Totp.objects.filter(pk=kept.pk, sealed=kept.sealed, last_step__lt=step).update(last_step=step) == 1


def _spend_recovery_code(person: User, typed: str) -> bool:
    code = RecoveryCode.objects.filter(person=person, digest=recovery.digest(typed, person.uploader_id), used_at=None)
    return code.update(used_at=timezone.now()) == 1


def take_all_away(person: User, *, who: Who) -> list[str]:
    """Of somebody who lost everything: what it was. Whoever is signed in as them is so no longer."""
    with transaction.atomic():
        kept = {APP: Totp, PASSKEY: Passkey, CODES: RecoveryCode}
        taken = [kind for kind, model in kept.items() if model.objects.filter(person=person).delete()[0]]
        if taken:
            record(who, Action.FACTOR_REMOVED, "user", person.uploader_id, taken, person=person)
        sessions.end_others(person, sessions.SessionStore(), who=who)
    return taken


def _one_after_the_other(person: User) -> None:
    User.objects.select_for_update(no_key=True).only("pk").get(pk=person.pk)


def _record(who: Who, action: Action, person: User, kind: str) -> None:
    record(who, action, "user", person.uploader_id, [kind], person=person)
