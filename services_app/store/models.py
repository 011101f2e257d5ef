from django.db import models


class StoreIdentity(models.Model):
    """Which store this database belongs to: the id that the sentinel on the NAS must carry. One row at most."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    store_id = models.UUIDField()

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="one_store_per_database")]


class HealthCheck(models.Model):
    """A row that readiness writes and takes back, to see that one can be written."""

    SIZE = 8192  # bytes: an upload's rows and its receipt come to less

    filling = models.TextField()
