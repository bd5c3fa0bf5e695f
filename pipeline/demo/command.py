"""``sur demo``: the demo page in a browser, with the settings of sections sample and diffusion."""

import argparse
import webbrowser
from pathlib import Path

import waitress

from pipeline import cli
from pipeline.demo import server
from pipeline.engine import ComputeParams
from pipeline.errors import InputError
from pipeline.generating import Generator
from pipeline.methods.settings import MethodName
from pipeline.params import load
from pipeline.sample_settings import SampleParams
from pipeline.vae import DiffusionParams

LOOPBACK = "127.0.0.1"
PORT = 8770


def add_options(parser: argparse.ArgumentParser, adapter: Path) -> None:
    """The command's arguments.

    Args:
        parser: of the sub-command.
        adapter: the folder that is taken where none is named.
    """
    parser.add_argument("--adapter", type=Path, default=adapter, help="adapter folder (default %(default)s)")
    parser.add_argument("--port", type=int, default=PORT, help="default %(default)s; 0 takes a free one")
    parser.add_argument("--no-browser", action="store_true", help="only print the address")


def run(asked: argparse.Namespace) -> None:
    """Serve the page on this machine until it is interrupted.

    Raises:
        SurError: a setting, the model, the adapter or the port is not usable.
    """
    sample, base = load(SampleParams, "sample"), load(DiffusionParams, "diffusion")
    generator = Generator(asked.adapter, sample, base, load(ComputeParams, "compute"))
    hosts = list[str]()
    app = server.application(generator, usable(sample), hosts)
    try:
        listening = waitress.create_server(app, host=LOOPBACK, port=asked.port, threads=2)
    except OSError as error:
        raise InputError(
            f"port {asked.port} cannot be listened on ({error.strerror}): name another with --port"
        ) from error
    port = int(listening.effective_port)
    hosts += [f"{name}:{port}" for name in (LOOPBACK, "localhost")]
    address = f"http://{LOOPBACK}:{port}/"
    cli.say(f"demo: {address} (Ctrl+C ends it)")
    if not asked.no_browser:
        webbrowser.open(address)
    try:
        listening.run()
    except KeyboardInterrupt:
        cli.say("demo: ended")
    finally:
        listening.close()


def usable(sample: SampleParams) -> list[MethodName]:
    """Methods that can be drawn with: all but the ControlNets that are not set."""
    methods: list[MethodName] = ["none", "weighting", "panorama", "sag", "pag"]
    methods += ["canny"] if sample.controlnets.canny else []
    methods += ["seg"] if sample.controlnets.seg else []
    return methods
