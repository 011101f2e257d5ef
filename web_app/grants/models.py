"""Permissions to upload, and what became of them. No file name, here or anywhere in this database."""

from django.conf import settings
from django.db import models

from web_app.accounts.models import ApiKey
from web_app.collections.models import Collection
from web_app.grants.ids import uuid7
from web_app.grants.states import State, check_transition


class Grant(models.Model):
    # The token's `jti`.
    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    uploader = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="grants")
    collection = models.ForeignKey(Collection, on_delete=models.PROTECT, related_name="grants")
    state = models.CharField(max_length=16, choices=State, default=State.ISSUED)

    # What the token says beyond the collection's limits at that time.
    max_size = models.BigIntegerField()
    max_uploads = models.PositiveIntegerField(default=1)
    declared_size = models.BigIntegerField(null=True)
    declared_sha256 = models.CharField(max_length=64, blank=True)
    # The script's key that asked, for this grant ends with it. Empty: the page asked.
    api_key = models.ForeignKey(ApiKey, null=True, blank=True, on_delete=models.PROTECT, related_name="grants")
    created_at = models.DateTimeField()
    start_by = models.DateTimeField()
    expires_at = models.DateTimeField()

    # One of refusals.py, as far as `reconcile` was told.
    refused = models.CharField(
        max_length=32, blank=True, default="", help_text="the code of the last refusal, if nothing was stored"
    )
    # One of ends.py, of one that is cancelled.
    end = models.CharField(max_length=32, blank=True, default="", db_default="", help_text="why it was given up or taken back")

    class Meta:
        # UUIDv7 sorts by time.
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["uploader", "-id"], name="grants_of_one"),
            models.Index(fields=["state", "expires_at"], name="grants_open"),
            # The lists (pages/lists.py): of one person, of one collection, of both. By size they are sorted, since those that brought
            # nothing are bounded.
            models.Index(fields=["uploader", "state", "created_at"], name="grants_listed_of_one"),
            models.Index(fields=["collection", "state", "created_at"], name="grants_listed_here"),
            models.Index(fields=["uploader", "collection", "state", "created_at"], name="grants_listed_of_one_here"),
        ]

    def __str__(self) -> str:
        return str(self.id)

    def move_to(self, state: State) -> None:
        """Only inside a transaction that read this row for update. Raises TransitionRefused."""
        check_transition(self.state, state)
        self.state = state


class Today(models.Model):
    """How often a person asked on a day for what leaves a row for ever (daily.py)."""

    person = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="+")
    day = models.DateField(help_text="of UTC")
    count = models.PositiveIntegerField(default=0)


class HandedOut(models.Model):
    """A token that a script's key was given. It ends with that key, whoever renews the grant later."""

    grant = models.ForeignKey(Grant, on_delete=models.CASCADE, related_name="+")
    api_key = models.ForeignKey(ApiKey, on_delete=models.PROTECT, related_name="+")
    issued_at = models.DateTimeField(help_text="the token's `iat`")
    until = models.DateTimeField(db_index=True, help_text="when it ends by itself")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["grant", "api_key", "issued_at"], name="once_a_second")]

    def __str__(self) -> str:
        """As the services tier names this token, and any other that the grant had in the same second."""
        return f"{self.grant_id}:{int(self.issued_at.timestamp())}"


class Browser(models.Model):
    """One person's binding in one browser, by the digest that stands in `cnf`."""

    digest = models.CharField(max_length=43, primary_key=True)
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="browsers")
    sign_in = models.CharField(max_length=22, blank=True, help_text="it ends with what was opened then (browsers.py)")
    until = models.DateTimeField(help_text="when the last token that is bound to it ends by itself")


class Overseen(models.Model):
    """A browser that was given a token for the names in a collection, whose coordinator sits at it."""

    browser = models.ForeignKey(Browser, on_delete=models.CASCADE, related_name="+")
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="+")
    until = models.DateTimeField(help_text="when the last such token ends by itself")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["browser", "collection"], name="overseen_once")]


class Revocation(models.Model):
    """What the services tier has to be told: refuse this grant's tokens, one of them, or those that are bound to this browser.

    Saved in the transaction of the change that it follows from, and said again until it was heard.
    """

    grant = models.OneToOneField(Grant, null=True, on_delete=models.PROTECT, related_name="revocation")
    token = models.CharField(max_length=48, null=True, unique=True, help_text="a grant and a moment: HandedOut")
    browser = models.CharField(max_length=43, null=True, unique=True)
    until = models.DateTimeField(help_text="when the last of these tokens ends by itself")
    decided_at = models.DateTimeField(auto_now_add=True)
    heard_at = models.DateTimeField(null=True, db_index=True, help_text="empty: the services tier will be told")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(grant__isnull=False, token=None, browser=None)
                | models.Q(grant=None, token__isnull=False, browser=None)
                | models.Q(grant=None, token=None, browser__isnull=False),
                name="of_one_thing",
            )
        ]

    def __str__(self) -> str:
        return "will be told" if self.heard_at is None else "told"


class StoredUploads(models.QuerySet):
    def bulk_create(self, objs, **options):
        objs = list(objs)
        for one in objs:
            one.belongs_to_its_grant()
        return super().bulk_create(objs, **options)


class StoredUpload(models.Model):
    """One object that a grant brought, as the services tier's receipt says."""

    upload_id = models.UUIDField(primary_key=True, editable=False)
    grant = models.ForeignKey(Grant, on_delete=models.PROTECT, related_name="stored", db_index=False)
    # The grant's, which never change: here as well, so that a list reads an index and not all that somebody ever sent. Null where a
    # release before these wrote the row while it was upgraded, until `reconcile` comes by.
    uploader = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+", db_index=False, editable=False
    )
    collection = models.ForeignKey(
        Collection, null=True, on_delete=models.PROTECT, related_name="+", db_index=False, editable=False
    )
    size = models.BigIntegerField(help_text="bytes")
    sha256 = models.CharField(max_length=64)
    media_type = models.CharField(max_length=255)
    durable_at = models.DateTimeField()
    receipt = models.TextField(help_text="the JWS, as it was signed")

    objects = StoredUploads.as_manager()

    class Meta:
        ordering = ["durable_at", "upload_id"]
        indexes = [
            models.Index(fields=["grant", "durable_at", "upload_id"], name="stored_under"),
            # The lists (pages/lists.py), as those of grants, and by size; the second one has all that the totals read (pages/totals.py).
            models.Index(fields=["uploader", "durable_at", "upload_id"], name="stored_of_one"),
            models.Index(fields=["collection", "durable_at", "uploader", "size"], name="stored_here"),
            models.Index(fields=["uploader", "collection", "durable_at", "upload_id"], name="stored_of_one_here"),
            models.Index(fields=["uploader", "size", "durable_at"], name="largest_of_one"),
            models.Index(fields=["collection", "size", "durable_at"], name="largest_here"),
        ]

    def __str__(self) -> str:
        return str(self.upload_id)

    def save(self, *args, **kwargs):
        self.belongs_to_its_grant()
        super().save(*args, **kwargs)

    def belongs_to_its_grant(self) -> None:
        self.uploader_id, self.collection_id = self.grant.uploader_id, self.grant.collection_id
