"""Placeholder, being written."""
from django.http import Http404
def risk_assess(request, **kwargs):
    raise Http404
