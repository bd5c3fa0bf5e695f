"""``sur push-to-hub``: an adapter as a model repository of Hugging Face, the data set as a dataset one (ADR 0027).

One push is one commit, whole or not at all. What is unchanged is not sent again, so that a second push of the same
folder makes no commit and one that was cut off goes on: large files that arrived stay on the server by their content.
"""

import argparse
import fnmatch
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import hub_files
from pipeline.errors import InputError, SourceError
from pipeline.hub_files import Bundle, Kind

if TYPE_CHECKING:
    from huggingface_hub import HfApi

COMMAND = "push-to-hub"
REPO_TYPES = {"adapter": "model", "dataset": "dataset"}
MAIN = "main"
MESSAGES = {
    401: "the token is not known or has expired: hf auth login, or set HF_TOKEN",
    402: "the account has no storage left for this: see its billing page",
    403: "the token may not write there: take one with write access to this repository",
    404: "there is no such repository for this token, or no such branch",
    409: "somebody else is changing the repository: run the same command again",
    412: "somebody else has pushed meanwhile: run the same command again",
    413: "a file is larger than the server takes",
    429: "too many requests: wait some minutes and run the same command again",
}
AGAIN = "what has arrived is kept there: run the same command again to go on"


@dataclass(frozen=True)
class Target:
    """Where a bundle goes, and how."""

    repo: str
    """``owner/name``."""
    revision: str
    """A branch; it is made from ``main`` where it does not exist."""
    public: bool
    """Whether everybody may see it; asked for in so many words."""
    message: str
    """Of the commit."""


def add_arguments(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The command's arguments."""
    pushed = commands.add_parser(COMMAND, help="the adapter or the data set into a repository of Hugging Face")
    pushed.add_argument("kind", choices=list(REPO_TYPES))
    pushed.add_argument("repo", help="owner/name; made where it does not exist")
    pushed.add_argument("--folder", type=Path, help=f"of an adapter (default {hub_files.ADAPTER})")
    seen = pushed.add_mutually_exclusive_group()
    seen.add_argument("--private", action="store_true", help="for its owner alone; this is the default")
    seen.add_argument("--public", action="store_true", help="for everybody: mind the licences in LICENSE.md")
    pushed.add_argument("--revision", default=MAIN, help="branch (default %(default)s)")
    pushed.add_argument("--message", help="of the commit (default: what is pushed)")
    pushed.add_argument("--dry-run", action="store_true", help="check and list what would go; ask nobody")


def run(asked: argparse.Namespace) -> None:
    """Check, then list or push.

    Raises:
        SurError: nothing to push, damaged, taken down, refused, or a server that does not answer; one line.
    """
    bundle = bundle_of(asked.kind, asked.folder)
    message = asked.message or f"{asked.kind.capitalize()} from sur {COMMAND}"
    target = Target(asked.repo, asked.revision, asked.public, message)
    _check_name(target)
    for line in describe(bundle, target):
        _print(line)
    if not asked.dry_run:
        _print(push(bundle, target))


def bundle_of(kind: Kind, folder: Path | None) -> Bundle:
    """What is pushed, checked.

    Raises:
        SurError: see :mod:`pipeline.hub_files`; or the data set is asked for from another folder.
    """
    match kind:
        case "adapter":
            return hub_files.adapter(hub_files.ADAPTER if folder is None else folder)
        case "dataset":
            if folder is not None:
                raise InputError(
                    "--folder goes with an adapter: the data set is always data/resize, which dvc.lock knows"
                )
            return hub_files.data_set()


def describe(bundle: Bundle, target: Target) -> Iterator[str]:
    """What goes where, in lines; a data set's licences with it."""
    where = "public" if target.public else "private"
    yield f"{bundle.kind} to {target.repo}, branch {target.revision}, {where} ({REPO_TYPES[bundle.kind]} repository)"
    for name, path in bundle.files.items():
        yield f"  {path.stat().st_size:>14,}  {name}"
    yield f"  {bundle.bytes:>14,}  bytes in {len(bundle.files)} files"
    for licence, count in bundle.licences.most_common():
        yield f"  licence as the source states it: {licence} ({count:,} samples)"
    for note in bundle.notes:
        yield f"  note: {note}"


def push(bundle: Bundle, target: Target) -> str:
    """Push; gives a line that says what became of it.

    Raises:
        InputError: no token, offline, or a public repository where a public one was not asked for.
        SourceError: the server refuses, fails or is lost.
    """
    api = _api()
    kind = REPO_TYPES[bundle.kind]
    with _told(api.endpoint, target.repo):
        _ready(api, target, kind)
        before = api.repo_info(target.repo, repo_type=kind, revision=target.revision).sha
        operations = [*_additions(bundle), *_deletions(api, bundle, target, kind)]
        made = api.create_commit(
            target.repo,
            operations,
            commit_message=target.message,
            repo_type=kind,
            revision=target.revision,
            parent_commit=before,
        )
    if made.oid == before:
        return f"{target.repo} has all of it already: no commit was made"
    return f"pushed: {made.commit_url}"


def _api() -> "HfApi":
    """The client, with a token and a network.

    Raises:
        InputError: one of them is missing.
    """
    from huggingface_hub import HfApi, constants, get_token
    from huggingface_hub.utils import disable_progress_bars

    if constants.is_offline_mode():
        raise InputError("HF_HUB_OFFLINE is set: take it out of the environment to push")
    if get_token() is None:
        raise InputError("there is no token: hf auth login, or set HF_TOKEN to one with write access")
    if not sys.stderr.isatty():
        disable_progress_bars()
    return HfApi()


def _check_name(target: Target) -> None:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(target.repo)
    except HFValidationError as error:
        raise InputError(f"{target.repo!r} is no name of a repository: {str(error).splitlines()[0]}") from error
    if "/" not in target.repo:
        raise InputError(f"{target.repo!r} names no owner: say owner/name")


def _ready(api: "HfApi", target: Target, kind: str) -> None:
    """Make repository and branch where they do not exist; refuse one that more people see than was asked for."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        found = api.repo_info(target.repo, repo_type=kind)
    except RepositoryNotFoundError:
        api.create_repo(target.repo, repo_type=kind, private=not target.public, exist_ok=True)
    else:
        if not found.private and not target.public:
            raise InputError(f"{target.repo} is public: say --public, or make it private first")
    if target.revision != MAIN:
        api.create_branch(target.repo, branch=target.revision, repo_type=kind, exist_ok=True)


def _additions(bundle: Bundle) -> list[Any]:
    from huggingface_hub import CommitOperationAdd

    return [CommitOperationAdd(name, path) for name, path in bundle.files.items()]


def _deletions(api: "HfApi", bundle: Bundle, target: Target, kind: str) -> list[Any]:
    """Files of an earlier, larger bundle: a shard that is no longer there may hold what was taken down."""
    from huggingface_hub import CommitOperationDelete

    there = api.list_repo_files(target.repo, repo_type=kind, revision=target.revision)
    gone = [name for name in there if name not in bundle.files and _is_own(name, bundle)]
    return [CommitOperationDelete(name) for name in sorted(gone)]


def _is_own(name: str, bundle: Bundle) -> bool:
    """A pattern's ``*`` does not reach into folders: what others keep below is theirs."""
    return any(name.count("/") == pattern.count("/") and fnmatch.fnmatchcase(name, pattern) for pattern in bundle.own)


@contextmanager
def _told(endpoint: str, repo: str) -> Iterator[None]:
    """Turn what a push can fail with into one line.

    The client wraps errors of an upload in a RuntimeError; its cause tells more. Its Xet part raises such ones too.
    """
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError

    try:
        yield
    except (HfHubHTTPError, httpx2.TransportError, RuntimeError, ValueError) as error:
        for each in _causes(error):
            if isinstance(each, HfHubHTTPError):
                raise SourceError(_answered(each, repo)) from error
            if isinstance(each, httpx2.TransportError):
                raise SourceError(f"the connection to {endpoint} failed ({_line(each)}): {AGAIN}") from error
        raise SourceError(f"{repo}: {_line([*_causes(error)][-1])}: {AGAIN}") from error


def _causes(error: BaseException) -> Iterator[BaseException]:
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__


def _answered(error: Any, repo: str) -> str:
    status = int(error.response.status_code)
    said = f" ({' '.join(error.server_message.split())})" if error.server_message else ""
    default = f"the server failed; {AGAIN}" if status >= 500 else "the server refuses it"
    return f"{repo}: status {status}, {MESSAGES.get(status, default)}{said}"


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
