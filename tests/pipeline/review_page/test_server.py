"""What the server answers to requests that are not the page's."""

import json

import pytest

from pipeline import answers
from pipeline.errors import StorageError
from pipeline.review_page import command, guard, server
from pipeline.review_page.journal import Journal
from tests.pipeline.review_page.made import config, lines, png, workspace

SECRET = "s3cret"
HOST = "127.0.0.1:8765"
OWN = {"Origin": f"http://{HOST}", guard.TOKEN_HEADER: guard.page_token(SECRET), "Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(workspace(tmp_path, 10))
    return tmp_path


def client_of(task="triplets", host="127.0.0.1", cookie=SECRET, **changed):
    path = command.REVIEWS / task / answers.file_name("Ann")
    journal = Journal(path, command.work.root() / "locks")
    desk = command.open_desk(task, "Ann", config(**changed), journal, adjudicating=False)
    client = server.application(desk, secret=SECRET, host=host, port=8765).test_client()
    if cookie:
        client.set_cookie("sur_review_8765", cookie, domain="127.0.0.1")
    return client


def get(client, path, **headers):
    return client.get(path, headers={"Host": HOST, **headers}, base_url=f"http://{headers.get('Host', HOST)}")


def post(client, body, **headers):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post(
        "/api/answers", data=content, headers={"Host": HOST, **OWN, **headers}, base_url=f"http://{HOST}"
    )


def first(client):
    return get(client, "/api/items?filter=all&order=seeded&start=0&count=1").json["items"][0]


def keep(item, **changed):
    return {"answers": [{"id": item["id"], "answers": {"verdict": "keep"}, **changed}]}


def test_an_answer_is_on_the_disk_when_the_request_is_answered(folder):
    client = client_of()
    answer = post(client, keep(first(client), seconds=1.25))
    assert answer.status_code == 200
    assert answer.json == {"left": 9, "mine": 1, "begun": 0, "seconds_each": None}
    assert lines(folder)[0]["verdict"] == "keep"
    assert lines(folder)[0]["seconds"] == 1.25


def test_the_same_answer_twice_is_one_line(folder):
    client = client_of()
    item = first(client)
    for _ in range(2):
        post(client, keep(item))
    assert len(lines(folder)) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:9999"},  # another server of this machine: the same site, not the same origin
        {"Origin": "null"},
        {guard.TOKEN_HEADER: "wrong"},
        {guard.TOKEN_HEADER: SECRET},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_another_site_cannot_post(folder, headers):
    client = client_of()
    assert post(client, keep(first(client)), **headers).status_code == 403
    assert lines(folder) == []


def test_a_post_without_origin_or_token_is_refused(folder):
    client = client_of()
    body = json.dumps(keep(first(client)))
    for name in ("Origin", guard.TOKEN_HEADER):
        headers = {key: value for key, value in OWN.items() if key != name}
        answer = client.post("/api/answers", data=body, headers=headers, base_url=f"http://{HOST}")
        assert answer.status_code == 403
    assert lines(folder) == []


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8765", "127.0.0.1.evil.example", "192.168.0.7:8765", ""]
)
def test_a_name_that_is_not_this_machines_is_refused(folder, host):
    client = client_of()
    assert client.get("/", headers={"Host": host}).status_code == 403


@pytest.mark.parametrize("host", ["localhost:9000", "127.0.0.1:8765", "[::1]:8765"])
def test_a_port_may_be_forwarded(host):
    assert guard.host_allowed(host, "127.0.0.1")


def test_beyond_loopback_addresses_pass_and_names_do_not():
    assert guard.host_allowed("192.168.0.7:8765", "0.0.0.0")
    assert guard.host_allowed("lab.example:8765", "lab.example")
    assert not guard.host_allowed("evil.example", "0.0.0.0")


def test_who_has_no_token_sees_nothing(folder):
    client = client_of(cookie=None)
    for path in ("/", "/api/session", "/api/items?filter=all&order=seeded", "/page/main.js"):
        answer = get(client, path)
        assert answer.status_code == 401
        assert b"sur review" in answer.data
    assert get(client, "/?token=wrong").status_code == 401
    assert get(client_of_another(client, "wrong"), "/").status_code == 401


def client_of_another(client, cookie):
    client.set_cookie("sur_review_8765", cookie, domain="127.0.0.1")
    return client


def test_the_printed_address_lets_a_browser_in_and_leaves_no_token_behind(folder):
    client = client_of(cookie=None)
    answer = get(client, f"/?token={SECRET}")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert get(client, "/").status_code == 200


@pytest.mark.parametrize("path", ["/", "/page/main.js", "/api/session", "/nothing", "/picture/0/0"])
def test_every_answer_carries_the_headers_of_a_closed_page(folder, path):
    found = get(client_of(), path).headers
    policy = found["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert found["X-Content-Type-Options"] == "nosniff"
    assert found["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Access-Control-Allow-Origin" not in found
    assert found["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "path",
    [
        "/page/../server.py",
        "/page/%2e%2e/server.py",
        "/page/..%2f..%2f..%2fparams.yaml",
        "/page//etc/passwd",
        "/page/index.html",
        "/picture/../../params.yaml/0",
        "/picture/%2e%2e%2f%2e%2e%2fparams.yaml/0",
        "/picture/a:0001/0",
        "/picture/0000000000000000/0",
        "/picture/0000000000000000/99999999999999999999",
        "/picture/0000000000000000/-1",
        "/params.yaml",
        "//etc/passwd",
        "/%00",
    ],
)
def test_no_path_reaches_the_disk(folder, path):
    answer = get(client_of(), path)
    assert answer.status_code in (308, 404)
    assert b"policy: majority" not in answer.data
    assert b"root:" not in answer.data


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b'{"answers": []}',
        {"answers": [{"id": "../../etc/passwd", "answers": {"verdict": "keep"}}]},
        {"answers": [{"id": "0" * 16, "answers": {"verdict": "keep"}}]},
        {"answers": [{"id": "ITEM", "answers": {"verdict": "burn"}}]},
        {"answers": [{"id": "ITEM", "answers": {"other": "keep"}}]},
        {"answers": [{"id": "ITEM", "answers": {}, "taken_back": ["other"]}]},
        {"answers": [{"id": "ITEM", "answers": {"verdict": "reject"}, "reasons": ["no such"]}]},
        {"answers": [{"id": "ITEM", "answers": {"verdict": "keep"}, "note": "n" * 2001}]},
        {"answers": [{"id": "ITEM", "answers": {"verdict": "keep"}, "seconds": -1}]},
        {"answers": [{"id": "ITEM", "answers": {"verdict": "keep"}, "reviewer": "Bob"}]},
        {"answers": [{"id": "ITEM", "answers": {"verdict": "keep"}}] * 201},
    ],
)
def test_nonsense_is_refused_and_nothing_is_written(folder, body):
    client = client_of()
    if isinstance(body, dict):
        body = json.dumps(body).replace("ITEM", first(client)["id"]).encode()
    answer = post(client, body)
    assert answer.status_code == 400
    assert answer.json["error"]
    assert lines(folder) == []


def test_somebody_elses_broken_line_is_told_and_the_answer_may_come_again(folder):
    client = client_of()
    item = first(client)
    broken = folder / "reviews/triplets/bob.jsonl"
    broken.write_text("{}\n")
    answer = post(client, keep(item))
    assert answer.status_code == 503
    assert "bob.jsonl, line 1" in answer.json["error"]
    assert get(client, "/api/items?filter=all&order=seeded&start=0&count=1").status_code == 404
    broken.unlink()
    assert post(client, keep(item)).status_code == 200


def test_of_several_answers_none_is_written_where_one_is_wrong(folder):
    client = client_of()
    good = keep(first(client))["answers"][0]
    assert post(client, {"answers": [good, {**good, "id": "0" * 16}]}).status_code == 400
    assert lines(folder) == []


def test_a_body_without_end_is_refused(folder):
    assert post(client_of(), b" " * (server.MAX_BODY_BYTES + 1)).status_code == 413


def test_a_full_disk_is_told_and_nothing_is_said_to_be_saved(folder, monkeypatch):
    client = client_of()
    item = first(client)

    def full(self, lines):
        raise StorageError("the disk is full")

    monkeypatch.setattr(Journal, "append", full)
    answer = post(client, keep(item))
    assert (answer.status_code, answer.json["error"]) == (507, "the disk is full")


@pytest.mark.parametrize("query", ["filter=no&order=seeded", "filter=all&order=no", "filter=all&order=seeded&start=-1"])
def test_no_such_view(folder, query):
    assert get(client_of(), f"/api/items?{query}").status_code == 404


def test_pictures_come_as_they_lie_in_the_shards(folder):
    client = client_of()
    answers = [get(client, path) for item in all_items(client) for path in item["pictures"]]
    assert {answer.data for answer in answers} == {png(number) for number in range(10)}
    assert {answer.headers["Content-Type"] for answer in answers} == {"image/png"}
    assert "immutable" in answers[0].headers["Cache-Control"]


def all_items(client):
    return get(client, "/api/items?filter=all&order=seeded&start=0&count=100").json["items"]


def test_a_picture_of_no_kind_that_browsers_show_is_not_sent(folder, monkeypatch):
    client = client_of()
    item = first(client)
    monkeypatch.setattr(server, "kind", lambda content: None)
    assert get(client, item["pictures"][0]).status_code == 404


def test_reasons_keep_the_order_in_which_they_are_numbered(folder):
    session = json.loads(get(client_of(), "/api/session").data)
    assert list(session["reasons"]) == list(answers.REASONS)
    assert session["filters"] == ["all", "duplicates", "flagged", "mine"]
    assert session["orders"] == ["seeded", "margin"]


def test_the_token_is_kept_for_the_owner_alone(tmp_path):
    path = tmp_path / "token"
    made = guard.token(path)
    assert guard.token(path) == made
    assert len(made) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text("")  # a kill between making and writing
    assert len(guard.token(path)) == 32


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("lab.example", False)],
)
def test_what_is_local(host, local):
    assert guard.is_local(host) is local


def test_every_asset_is_listed_and_asks_nothing_of_anybody_else():
    folder = server.resources.files("pipeline.review_page") / "page"
    names = {path.name for path in folder.iterdir()}
    assert names == {*server.ASSETS, "index.html"}
    for name in names - {"icon.svg"}:
        text = (folder / name).read_text()
        assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")
        assert "https://" not in text
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "style="):
            assert word not in text


def test_a_host_is_one_however_it_is_written():
    assert guard.host_allowed("myhost:8765", "MyHost")
    assert not guard.host_allowed("other:8765", "MyHost")
