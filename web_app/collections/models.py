"""Where files may go, under which limits, and who may send them there."""

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models

from web_app.accounts.models import quota
from web_app.accounts.permissions import PermissionQuerySet
from web_app.collections import media_types as known
from web_app.tokens.claims import (
    COLLECTION,
    LONGEST_LIFE,
    MAX_MEDIA_TYPES,
    MAX_MEDIA_TYPES_LENGTH,
    MAX_UPLOADS,
    MEDIA_TYPE,
)

_TIB = 1 << 40
_LARGEST = 2**63 - 1
_NAMED = 5  # types in one error


def check_media_types(value: object) -> None:
    if not isinstance(value, list) or len(value) > MAX_MEDIA_TYPES:
        raise ValidationError(f"Give a list of at most {MAX_MEDIA_TYPES} media types.")
    if not all(isinstance(one, str) and MEDIA_TYPE.fullmatch(one) for one in value):
        raise ValidationError("Write media types as type/subtype or type/*, in lower case." + _meant(value))
    if any(one not in known.names() for one in value):
        raise ValidationError(
            "No file is ever taken for one of these media types." + _meant(value) + " All: manage.py media_types."
        )
    if sum(map(len, value)) > MAX_MEDIA_TYPES_LENGTH:
        raise ValidationError("These are too many to fit into a token.")


def _meant(value: list) -> str:
    """Each that is not known, and what may have been meant. Only who typed it sees it."""
    hints = []
    for one in value:
        if not isinstance(one, str):
            hints.append(f" {repr(one)[:80]} is no text.")
        elif one not in known.names():
            hints.append(f" For {one[:80]!r}: {', '.join(known.nearest(one)) or 'nothing near it'}.")
    return "".join(hints[:_NAMED]) + (f" And {len(hints) - _NAMED} more." if len(hints) > _NAMED else "")


class Collection(models.Model):
    slug = models.CharField(
        max_length=63,
        unique=True,
        validators=[RegexValidator(rf"\A{COLLECTION.pattern}\Z", "Use lower-case letters, digits and hyphens.")],
        help_text="The folder's name on the NAS. It is told to who may upload, so no name of a person.",
    )
    title = models.CharField(max_length=200)
    max_size = models.BigIntegerField(
        "largest file", default=_TIB, validators=[MinValueValidator(1), MaxValueValidator(_LARGEST)]
    )
    media_types = models.JSONField(
        default=list,
        blank=True,
        validators=[check_media_types],
        help_text="Checked on a file's first bytes, such as application/zip or image/*. Empty: any.",
    )
    start_within = models.PositiveIntegerField(
        "time to start", default=900, validators=[MinValueValidator(30)], help_text="Unused permission ends then."
    )
    valid_for = models.PositiveIntegerField(
        "time to finish",
        default=86400,
        validators=[MinValueValidator(60), MaxValueValidator(LONGEST_LIFE)],
        help_text="The hard end of a whole upload.",
    )
    max_uploads = models.PositiveIntegerField(
        "files per permission", default=1, validators=[MinValueValidator(1), MaxValueValidator(MAX_UPLOADS)]
    )
    # Of one person, in this collection. The bounds of the whole place count besides (ADR 0027).
    grants_open = models.PositiveIntegerField(
        "open permissions of a person",
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="At the same time. Empty: no bound but that of the whole place.",
    )
    unfinished = models.PositiveIntegerField(
        "unfinished uploads of a person", null=True, blank=True, validators=[MinValueValidator(1)], help_text="Likewise."
    )
    staged = models.BigIntegerField(
        "held by unfinished uploads of a person",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(_LARGEST)],
        help_text="Likewise. Less than the largest file keeps that out.",
    )
    # What may be stored and under way at all: of everybody, and of each person here (ADR 0041). That of a person everywhere is theirs.
    quota_bytes = quota("quota", "What all files here may hold together. Empty: no bound but the NAS.")
    quota_objects = quota("quota in files", "How many files may be here. Empty: no bound.")
    quota_bytes_each = quota("quota of each person", "What each person's files here may hold. Empty: no bound of their own.")
    quota_objects_each = quota("quota of each person in files", "Likewise, in files.")
    unpack_folders = models.BooleanField(
        "unpacks folders",
        default=False,
        db_default=False,
        help_text="The files of a folder are put beside its archive on the NAS (ADR 0044), which takes its size twice.",
    )
    active = models.BooleanField(default=True)
    members = models.ManyToManyField(settings.AUTH_USER_MODEL, through="Membership", related_name="collections")

    objects = PermissionQuerySet.as_manager()

    class Meta:
        ordering = ["slug"]

    def __str__(self) -> str:
        return self.slug

    def clean(self) -> None:
        # Validators are not run on empty values, and `{}` is one; an emptied form field is None.
        if self.media_types is None:
            self.media_types = []
        elif not isinstance(self.media_types, list):
            raise ValidationError({"media_types": "Give a list."})
        if self.start_within and self.valid_for and self.start_within > self.valid_for:
            raise ValidationError({"start_within": "The time to start must not exceed the time to finish."})


class Membership(models.Model):
    """What one person is to one collection: uploader, coordinator (ADR 0036), both, or for now neither."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="memberships")
    may_upload = models.BooleanField("uploader", default=True, help_text="Sends files there.")
    coordinates = models.BooleanField(
        "coordinator",
        default=False,
        db_default=False,
        help_text="Sees what arrived there from whom, with the names of the files, and exports that list. Reads no file.",
    )

    objects = PermissionQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "collection"], name="one_membership_each")]

    def __str__(self) -> str:
        return f"{self.user} in {self.collection}"
