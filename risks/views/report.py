"""Placeholder, being written."""
from django.http import Http404
def report_new(request, **kwargs):
    raise Http404
def report_download(request, **kwargs):
    raise Http404
