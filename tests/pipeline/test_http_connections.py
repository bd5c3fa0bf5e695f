"""TLS on loopback with a certificate made here: what is checked is the name, what is connected to is the address."""

import datetime
import socket
import ssl
import time

import pytest
import requests
import urllib3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pipeline import http_connections
from tests.pipeline.faults.script import reply
from tests.pipeline.loopback import serving

NAME = "pictures.example"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "site.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def peers():
    """The client's end of the connection of each request."""
    return []


@pytest.fixture
def port(certificate, peers):
    def fine(handler):
        peers.append(handler.client_address)
        reply(body=b"fine")(handler)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with serving(fine, tls=context) as found:
        yield found


@pytest.fixture
def session(monkeypatch, certificate):
    """A session for public addresses in a world where every name leads to this machine and that counts as public."""
    monkeypatch.setattr(http_connections, "is_public", lambda address: address == "127.0.0.1")
    look_up = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, port, *args, **options: look_up("127.0.0.1", port, *args, **options)
    )
    with http_connections.session("us", loopback=False) as made:
        made.trust_env = False
        made.verify = str(certificate)
        yield made


def test_a_site_is_asked_over_tls_under_its_name_and_its_connection_is_kept(session, port, peers):
    for _ in range(2):
        with session.get(f"https://{NAME}:{port}/", timeout=urllib3.Timeout(total=5.0), stream=True) as answer:
            assert b"".join(http_connections.pieces(answer.raw, 100)) == b"fine"
    assert len(peers) == 2
    assert peers[0] == peers[1]


def test_a_certificate_for_another_name_is_refused(session, port):
    with pytest.raises(requests.exceptions.SSLError):
        session.get(f"https://other.example:{port}/", timeout=urllib3.Timeout(total=5.0))


def test_a_handshake_that_never_comes_ends_at_the_deadline(session):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()
        with pytest.raises(requests.Timeout):
            session.get(f"https://{NAME}:{silent.getsockname()[1]}/", timeout=urllib3.Timeout(total=0.2))
    assert time.monotonic() - start < 5.0


def test_behind_a_proxy_time_is_still_watched():
    with http_connections.session("us", loopback=False) as made:
        manager = made.adapters["https://"].proxy_manager_for("http://proxy.example:3128")
    assert manager.pool_classes_by_scheme == dict(http_connections.TIMED)
