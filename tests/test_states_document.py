"""The picture of a risk's life is that of the transition table."""

import runpy

from django.conf import settings


def test_states_document_is_made_from_the_transition_table() -> None:
    tool = runpy.run_path(str(settings.BASE_DIR / "tools" / "states.py"))
    assert tool["TARGET"].read_text("utf-8") == tool["document"]()
