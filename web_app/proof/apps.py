from django.apps import AppConfig


class ProofConfig(AppConfig):
    """Whether the services tier still stands by what it signed."""

    name = "web_app.proof"
    label = "proof"
