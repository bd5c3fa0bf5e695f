"""The page's server: a Flask application on waitress. Nothing in a request becomes a path: names are looked up."""

from collections.abc import Mapping
from importlib import resources
from typing import Any

import flask
from flask.json.provider import DefaultJSONProvider
from pydantic import ValidationError

from pipeline.errors import InputError, StorageError
from pipeline.fault_words import told
from pipeline.review_page import guard
from pipeline.review_page.desk import Answers, Desk, WrongAnswerError
from pipeline.review_page.shards import kind

ASSETS = {
    "page.css": "text/css",
    "main.js": "text/javascript",
    "talk.js": "text/javascript",
    "items.js": "text/javascript",
    "draw.js": "text/javascript",
    "single.js": "text/javascript",
    "grid.js": "text/javascript",
    "keys.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
"""Files of the page, which are read when the server starts."""
MAX_BODY_BYTES = 2**20
MOST_ITEMS = 100
THREADS = 8
NOT_LET_IN = "Open the address that `sur review` printed, with its token: this browser was not let in yet.\n"


class _InOrder(DefaultJSONProvider):
    """JSON whose keys keep their order: reasons are numbered by it."""

    sort_keys = False


def application(desk: Desk, *, secret: str, host: str, port: int) -> flask.Flask:
    """The application of one reviewer's page.

    Args:
        desk: items, answers and pictures.
        secret: of the printed address.
        host: the address that is listened on.
        port: names the cookie, so that two pages on one machine do not mix.
    """
    app = flask.Flask("review", static_folder=None, template_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.json = _InOrder(app)
    _guard(app, secret=secret, host=host, cookie=f"sur_review_{port}")
    _pages(app)
    _api(app, desk, secret)

    @app.errorhandler(InputError)
    def _wrong(error: InputError) -> Any:
        asked = flask.request.method == "GET"
        return flask.jsonify(error=str(error)), 404 if asked else 400 if isinstance(error, WrongAnswerError) else 503

    @app.errorhandler(StorageError)
    def _full(error: StorageError) -> Any:
        return flask.jsonify(error=str(error)), 507

    return app


def _guard(app: flask.Flask, *, secret: str, host: str, cookie: str) -> None:
    @app.before_request
    def _check() -> Any:
        asked = flask.request
        if not guard.host_allowed(asked.headers.get("Host", ""), host):
            return _refused("this server answers for this machine's own addresses alone")
        if asked.path == "/" and asked.method == "GET" and "token" in asked.args:
            return _let_in(asked.args["token"])
        if asked.path != "/" and guard.from_elsewhere(dict(asked.headers)):
            return _refused("another site may not ask this server")
        if not guard.same(asked.cookies.get(cookie), secret):
            return _text(NOT_LET_IN, 401)
        if asked.method not in ("GET", "HEAD") and not guard.may_post(dict(asked.headers), secret):
            return _refused("only the page itself may post: Origin or token are not its own")
        return None

    def _let_in(given: str) -> flask.Response:
        if not guard.same(given, secret):
            return _text(NOT_LET_IN, 401)
        answer = _text("", 303)
        answer.headers["Location"] = "/"
        answer.set_cookie(cookie, secret, httponly=True, samesite="Strict", path="/")
        return answer

    @app.after_request
    def _headers(answer: flask.Response) -> flask.Response:
        answer.headers.update(guard.SECURITY_HEADERS)
        answer.headers.setdefault("Cache-Control", "no-store")
        return answer


def _pages(app: flask.Flask) -> None:
    folder = resources.files("pipeline.review_page") / "page"
    index = (folder / "index.html").read_bytes()
    assets = {name: (folder / name).read_bytes() for name in ASSETS}

    @app.get("/")
    def _index() -> flask.Response:
        return flask.Response(index, mimetype="text/html")

    @app.get("/page/<name>")
    def _asset(name: str) -> flask.Response:
        if name not in assets:
            raise InputError("no such file")
        return flask.Response(assets[name], mimetype=ASSETS[name])


def _api(app: flask.Flask, desk: Desk, secret: str) -> None:
    @app.get("/api/session")
    def _session() -> flask.Response:
        return flask.jsonify(token=guard.page_token(secret), **desk.session())

    @app.get("/api/items")
    def _items() -> flask.Response:
        start, count = (_number(flask.request.args, name) for name in ("start", "count"))
        chosen, order = (flask.request.args.get(name, "") for name in ("filter", "order"))
        return flask.jsonify(desk.items(chosen, order, start, min(count, MOST_ITEMS)))

    @app.post("/api/answers")
    def _answers() -> flask.Response:
        try:
            given = Answers.model_validate_json(flask.request.get_data())
        except ValidationError as error:
            raise WrongAnswerError(told(error)) from error
        return flask.jsonify(desk.take(given.answers))

    @app.get("/picture/<address>/<int:side>")
    def _picture(address: str, side: int) -> flask.Response:
        content = desk.picture(address, side)
        media = kind(content)
        if media is None:
            raise InputError("the picture is in none of the formats that browsers show")
        answer = flask.Response(content, mimetype=media)
        answer.headers["Cache-Control"] = "private, max-age=3600, immutable"
        return answer


def _number(given: Mapping[str, str], name: str) -> int:
    text = given.get(name, "0")
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InputError(f"{name} must be a number")
    return int(text)


def _refused(why: str) -> flask.Response:
    return _text(f"Refused: {why}.\n", 403)


def _text(text: str, status: int) -> flask.Response:
    return flask.Response(text, status=status, mimetype="text/plain")
