from django.apps import AppConfig


class ProofConfig(AppConfig):
    """Whether what was promised still holds: ledger, store and database held against each other and against what was signed."""

    name = "services_app.proof"
    label = "proof"
