"""The demo page's server: one page, one form, on this machine's own address alone."""

import base64
import threading
import time
from collections.abc import Sequence
from functools import partial
from importlib import resources
from typing import Any, Protocol

import flask
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline import images
from pipeline.errors import SurError
from pipeline.fault_words import told
from pipeline.generating import Pair
from pipeline.methods.settings import CONTROLNETS, PLAIN, MethodName
from pipeline.sampling import png

MAX_BODY_BYTES = 30 * 2**20
LONGEST_PROMPT = 1000
GREATEST_SEED = 2**53 - 1
"""The largest whole number that a browser's form keeps exactly."""


class Pairs(Protocol):
    """Draws both arms, as :class:`pipeline.generating.Generator`."""

    @property
    def eta(self) -> float:
        """The dial that the adapter was trained with."""

    def pair(
        self, prompt: str, seed: int, *, eta: float | None, method: MethodName, source: Image.Image | None
    ) -> Pair:
        """Both pictures of a prompt."""


class Asked(BaseModel):
    """What the form sends."""

    model_config = ConfigDict(frozen=True)

    prompt: str = Field(default="", max_length=LONGEST_PROMPT)
    eta: float = Field(ge=0.0, le=1.0)
    seed: int = Field(default=0, ge=0, le=GREATEST_SEED)
    method: MethodName = PLAIN


def application(generator: Pairs, methods: Sequence[MethodName], hosts: Sequence[str]) -> flask.Flask:
    """The server of the page.

    Args:
        generator: draws; one request at a time.
        methods: what may be chosen.
        hosts: names of this server as browsers send them, with the port. Others are refused: another site must not
            reach it through a name of its own.
    """
    app = flask.Flask("demo", static_folder=None, template_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    page = Page(generator, methods)
    app.before_request(partial(_own_pages_only, hosts))
    app.after_request(_closed)
    app.get("/")(page.empty)
    app.post("/")(page.drawn)
    return app


def _own_pages_only(hosts: Sequence[str]) -> tuple[str, int] | None:
    sent = flask.request.headers
    if sent.get("Host") not in hosts or sent.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        return "this server answers to its own page alone\n", 403
    return None


def _closed(response: flask.Response) -> flask.Response:
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    response.headers["Content-Security-Policy"] = policy + "form-action 'self'; frame-ancestors 'none'"
    return response


class Page:
    """The form, empty or with what was drawn; arguments as :func:`application`."""

    def __init__(self, generator: Pairs, methods: Sequence[MethodName]) -> None:
        self._generator, self._one_at_a_time = generator, threading.Lock()
        self._template = resources.files("pipeline.demo").joinpath("page.html.j2").read_text(encoding="utf-8")
        takes = any(method in CONTROLNETS for method in methods)
        self._fixed = {"methods": methods, "takes_pictures": takes}
        self._fixed |= {"longest": LONGEST_PROMPT, "greatest": GREATEST_SEED}

    def empty(self) -> str:
        """The form as it is first seen."""
        return self._shown(Asked(eta=self._generator.eta))

    def drawn(self) -> str | tuple[str, int]:
        """Both pictures of what the form asks for, or what is wrong with it."""
        try:
            asked = Asked.model_validate(flask.request.form.to_dict())
        except ValidationError as error:
            return self._shown(Asked(eta=self._generator.eta), fault=told(error)), 400
        begun = time.monotonic()
        try:
            pair = self._pair(asked)
        except (SurError, images.UndecodableError) as error:
            return self._shown(asked, fault=str(error).replace(": --condition FILE", ": choose a file")), 400
        return self._shown(asked, pictures=_labelled(pair, asked), seconds=f"{time.monotonic() - begun:.1f}")

    def _pair(self, asked: Asked) -> Pair:
        source = _picture(flask.request.files.get("condition"))
        with self._one_at_a_time:
            return self._generator.pair(asked.prompt, asked.seed, eta=asked.eta, method=asked.method, source=source)

    def _shown(self, asked: Asked, **found: Any) -> str:
        return flask.render_template_string(self._template, asked=asked, **self._fixed, **found)


def _picture(sent: Any) -> Image.Image | None:
    content = sent.read() if sent else b""
    return images.decode(content) if content else None


def _labelled(pair: Pair, asked: Asked) -> list[tuple[str, str]]:
    shown = [] if pair.condition is None else [(f"shown to {asked.method}", pair.condition)]
    labelled = [*shown, ("base", pair.base), (f"adapted, eta {asked.eta:g}", pair.adapted)]
    return [(label, base64.b64encode(png(picture)).decode()) for label, picture in labelled]
