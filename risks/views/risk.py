"""Placeholder, being written."""
from django.http import Http404
def risk_create(request, **kwargs):
    raise Http404
def risk_detail(request, **kwargs):
    raise Http404
def risk_update(request, **kwargs):
    raise Http404
def risk_delete(request, **kwargs):
    raise Http404
def risk_move(request, **kwargs):
    raise Http404
def indicator_create(request, **kwargs):
    raise Http404
def indicator_update(request, **kwargs):
    raise Http404
def indicator_delete(request, **kwargs):
    raise Http404
