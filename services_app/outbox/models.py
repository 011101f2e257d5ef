from django.db import models
from django.db.models import Q

from services_app.uploads.models import Upload


class State(models.TextChoices):
    WAITING = "waiting"  # for its turn, or for the next try
    RUNNING = "running"  # handed on at this moment
    DONE = "done"  # taken
    FOUND = "found"  # taken, and something was found: the file is quarantined
    FAILED = "failed"  # given up; a person may have it tried again
    MOOT = "moot"  # its file was deleted before


OPEN = (State.WAITING, State.RUNNING)


class Cursor(models.Model):
    """How far the ledger was looked through for a hook."""

    hook = models.CharField(max_length=31, primary_key=True)
    selects = models.TextField(help_text="which files it was for then; once that differs, all is looked through again")
    seq = models.PositiveBigIntegerField(default=0)


class Delivery(models.Model):
    """One stored file for one hook: what is to be handed on, is being handed on, or was. Kept, so that it never is a second one.

    `seq` is the entry of the ledger that said so, and with it the order.
    """

    hook = models.CharField(max_length=31)
    upload = models.ForeignKey(Upload, on_delete=models.DO_NOTHING, related_name="deliveries")
    collection = models.CharField(max_length=63)
    seq = models.PositiveBigIntegerField()
    state = models.CharField(max_length=7, choices=State, default=State.WAITING)

    attempts = models.PositiveIntegerField(default=0)
    first_tried_at = models.DateTimeField(null=True)
    next_at = models.DateTimeField(null=True, help_text="no try before that")
    ended_at = models.DateTimeField(null=True)
    said = models.CharField(max_length=80, blank=True, help_text="how the last try ended, as a code")

    # Whose try it is, until when it can be under way (as Upload has them; services_app/outbox/turns.py).
    generation = models.PositiveIntegerField(default=0)
    owner = models.CharField(max_length=120, blank=True)
    lease_until = models.DateTimeField(null=True)
    lease_boot = models.CharField(max_length=36, blank=True)
    lease_uptime = models.FloatField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["hook", "upload"], name="one_delivery_each")]
        indexes = [
            models.Index(
                fields=["hook", "collection", "seq"], condition=Q(state__in=("waiting", "running")), name="open_deliveries"
            ),
            models.Index(fields=["hook"], condition=Q(state="failed"), name="failed_deliveries"),
        ]
