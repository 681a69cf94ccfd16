"""The product's addresses and the floor: a signed-in page of a team with nothing in it."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from riskreg.urls import *  # noqa: F403 - its error pages too
from riskreg.urls import urlpatterns
from risks.htmx import render_page
from risks.views.access import Scope, team_view


@team_view
def floor(request: HttpRequest, scope: Scope) -> HttpResponse:
    """What every page costs before it shows anything: session, person, teams, registers and the frame."""
    return render_page(request, "base.html")


urlpatterns = [path("t/<slug:team>/floor/", floor), *urlpatterns]
