from django.db import models


class Checkpoint(models.Model):
    """Where the services tier's ledger stood, signed by it: kept here, out of reach of who can write to its database and NAS."""

    seq = models.BigIntegerField(help_text="number of the newest entry")
    head = models.CharField(max_length=64, help_text="its hash")
    signed = models.TextField(help_text="the JWS")
    kept_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["seq", "head"], name="one_checkpoint_of_an_entry")]
