"""``sur demo``: the demo page in a browser, with the settings of sections sample and diffusion."""

import argparse
import webbrowser
from pathlib import Path
from typing import get_args

import waitress

from pipeline import cli, local_pages
from pipeline.demo import server
from pipeline.engine import ComputeParams
from pipeline.generating import Generator
from pipeline.local_pages import LOOPBACK
from pipeline.methods.settings import CONTROLNETS, MethodName
from pipeline.params import load
from pipeline.sample_settings import SampleParams
from pipeline.vae import DiffusionParams

PORT = 8770


def add_options(parser: argparse.ArgumentParser, adapter: Path) -> None:
    """The command's arguments.

    Args:
        parser: of the sub-command.
        adapter: the folder that is taken where none is named.
    """
    parser.add_argument("--adapter", type=Path, default=adapter, help="adapter folder (default %(default)s)")
    parser.add_argument("--port", type=cli.port, default=PORT, help="default %(default)s; 0 takes a free one")
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
    bound = local_pages.bound(LOOPBACK, asked.port)
    port = int(bound.getsockname()[1])
    hosts += [f"{name}:{port}" for name in (LOOPBACK, "localhost")]
    address = f"http://{LOOPBACK}:{port}/"
    listening = waitress.create_server(app, sockets=[bound], threads=2)
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
    unset = [name for name in CONTROLNETS if getattr(sample.controlnets, name) is None]
    return [name for name in get_args(MethodName) if name not in unset]
