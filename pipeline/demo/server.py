"""The demo page's server: one page, one form, on this machine's own address alone."""

import base64
import threading
import time
from collections.abc import Sequence
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
    """The page.

    Args:
        generator: draws; one request at a time.
        methods: what may be chosen.
        hosts: names of this server as browsers send them, with the port. Others are refused: another site must not
            reach it through a name of its own.
    """
    app = flask.Flask("demo", static_folder=None, template_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    template = resources.files("pipeline.demo").joinpath("page.html.j2").read_text(encoding="utf-8")
    one_at_a_time = threading.Lock()

    def page(asked: Asked, **found: Any) -> str:
        takes = any(method in CONTROLNETS for method in methods)
        fixed = {"methods": methods, "takes_pictures": takes, "longest": LONGEST_PROMPT, "greatest": GREATEST_SEED}
        return flask.render_template_string(template, asked=asked, **fixed, **found)

    @app.before_request
    def _own_pages_only() -> Any:
        sent = flask.request.headers
        if sent.get("Host") not in hosts or sent.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            return "this server answers to its own page alone\n", 403
        return None

    @app.after_request
    def _closed(response: flask.Response) -> flask.Response:
        policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
        response.headers["Content-Security-Policy"] = policy + "form-action 'self'; frame-ancestors 'none'"
        return response

    @app.get("/")
    def _empty() -> str:
        return page(Asked(eta=generator.eta))

    @app.post("/")
    def _drawn() -> Any:
        try:
            asked = Asked.model_validate(flask.request.form.to_dict())
        except ValidationError as error:
            return page(Asked(eta=generator.eta), fault=told(error)), 400
        begun = time.monotonic()
        try:
            source = _picture(flask.request.files.get("condition"))
            with one_at_a_time:
                pair = generator.pair(asked.prompt, asked.seed, eta=asked.eta, method=asked.method, source=source)
        except (SurError, images.UndecodableError) as error:
            return page(asked, fault=str(error).replace(": --condition FILE", ": choose a file")), 400
        seconds = f"{time.monotonic() - begun:.1f}"
        return page(asked, pictures=_labelled(pair, asked), seconds=seconds)

    return app


def _picture(sent: Any) -> Image.Image | None:
    content = sent.read() if sent else b""
    return images.decode(content) if content else None


def _labelled(pair: Pair, asked: Asked) -> list[tuple[str, str]]:
    shown = [] if pair.condition is None else [(f"shown to {asked.method}", pair.condition)]
    labelled = [*shown, ("base", pair.base), (f"adapted, eta {asked.eta:g}", pair.adapted)]
    return [(label, base64.b64encode(png(picture)).decode()) for label, picture in labelled]
