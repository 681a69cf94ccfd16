"""Placeholder, being written."""
from django.http import Http404
def mitigation_create(request, **kwargs):
    raise Http404
def mitigation_list(request, **kwargs):
    raise Http404
def mitigation_update(request, **kwargs):
    raise Http404
def mitigation_state(request, **kwargs):
    raise Http404
def mitigation_delete(request, **kwargs):
    raise Http404
