"""The gates of the test suite itself, each seen to close."""

import socket

import pytest
from django.contrib.auth import authenticate
from django.template import Context, Engine
from pytest_socket import SocketConnectBlockedError

from risks.models import Risk, Template
from tests.cast import PASSWORD


@pytest.mark.filterwarnings("ignore:A test tried to use socket")
def test_network_from_a_test_is_blocked():
    with pytest.raises(SocketConnectBlockedError):
        socket.create_connection(("192.0.2.1", 80), timeout=1)


def test_unknown_template_variable_fails(settings):
    invalid = settings.TEMPLATES[0]["OPTIONS"]["string_if_invalid"]
    template = Engine(string_if_invalid=invalid).from_string("{{ no_such_thing }}")

    with pytest.raises(pytest.fail.Exception, match="no_such_thing"):
        template.render(Context())


@pytest.mark.parametrize("turn", [1, 2])
@pytest.mark.django_db(transaction=True)
def test_library_survives_the_flush_of_a_transactional_test(turn):
    assert Template.objects.count() == 42


def test_cast_signs_in_with_the_password(cast):
    assert authenticate(None, email=cast.reader.email, password=PASSWORD) == cast.reader


@pytest.mark.parametrize("state", ["draft", "open", "treating", "accepted", "closed"])
def test_make_risk_reaches_every_state(make_risk, state):
    risk = make_risk(state=state)

    assert Risk.objects.get(pk=risk.pk).state == state
