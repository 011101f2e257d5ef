from django.core.checks import Error, register

from services_app.hooks import configured
from services_app.hooks.hook import WEBHOOK, Unusable

from .kinds import webhook


@register
def the_hooks_are_usable(app_configs, **kwargs):
    try:
        unusable = [
            f"hook {hook.name}: {why}." for hook in configured.load() if hook.kind == WEBHOOK and (why := webhook.is_usable(hook))
        ]
    except OSError as exc:
        unusable = [f"it cannot be read ({type(exc).__name__})."]
    except Unusable as exc:
        unusable = [str(exc)]
    hint = "docs/operations.md, After the commit, shows one."
    return [Error(f"HOOKS_FILE is of no use: {why}", hint=hint, id="services.E008") for why in unusable]
