from django.apps import AppConfig


class PagesConfig(AppConfig):
    name = "web_app.pages"
    label = "pages"
