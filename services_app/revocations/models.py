from django.db import models


class Revocation(models.Model):
    """What web_app said no token may speak for any more: a grant (its id), those of its tokens that were issued in one second, or
    a browser (the digest in `cnf`).

    Also of a grant that this tier has never seen: its token may come yet.
    """

    subject = models.CharField(max_length=64, primary_key=True, help_text="a UUID, one with a colon and seconds, or a digest")
    heard_at = models.DateTimeField(auto_now_add=True)
    kept_until = models.DateTimeField(db_index=True, help_text="later than any token that it is about")
    boot = models.CharField(max_length=64, blank=True, default="")
    uptime = models.FloatField(default=0, help_text="of that boot, in seconds: the same moment as kept_until")
