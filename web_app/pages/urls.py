from django.urls import path

from web_app.pages import views

app_name = "pages"
urlpatterns = [
    path("", views.upload, name="upload"),
    path("uploads/", views.uploads, name="uploads"),
    path("uploads/recent", views.recent, name="recent"),
    path("session", views.session, name="session"),
    path("signed-in/", views.signed_in, name="signed-in"),
]
