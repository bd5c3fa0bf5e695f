import socket

import pytest

from pipeline.errors import InputError
from pipeline.local_pages import LOOPBACK, bound


def test_port_0_takes_a_free_one_of_the_address_that_was_asked_for():
    with bound(LOOPBACK, 0) as made:
        host, port = made.getsockname()
    assert host == LOOPBACK
    assert port > 0


def test_an_address_with_colons_is_ipv6(monkeypatch):
    asked = []

    class Socket:
        def __init__(self, family, kind):
            asked.append(family)

        setsockopt = bind = lambda self, *_: None

    monkeypatch.setattr(socket, "socket", Socket)
    bound("::1", 0)
    bound(LOOPBACK, 0)
    assert asked == [socket.AF_INET6, socket.AF_INET]


def test_a_port_that_is_taken_is_told_in_one_line():
    with socket.socket() as other:
        other.bind((LOOPBACK, 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(
            InputError, match=rf"^cannot listen on 127\.0\.0\.1, port {port}: .*; choose another --port$"
        ):
            bound(LOOPBACK, port)
