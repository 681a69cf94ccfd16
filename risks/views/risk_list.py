"""Placeholder, being written."""
from django.http import Http404
def risk_list(request, **kwargs):
    raise Http404
def risk_export(request, **kwargs):
    raise Http404
def risk_bulk(request, **kwargs):
    raise Http404
def view_save(request, **kwargs):
    raise Http404
def view_delete(request, **kwargs):
    raise Http404
def risk_field(request, **kwargs):
    raise Http404
