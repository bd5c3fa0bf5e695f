"""A stand-in of Hugging Face's API on loopback: repositories, branches, commits and large files by Git LFS.

It answers what huggingface_hub 2.4.0 asks where Xet is off (HF_HUB_DISABLE_XET): the client speaks Xet to storage of
its own, which no stand-in on loopback has.
"""

import base64
import hashlib
import json
import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from tests.pipeline.loopback import serving

TOKEN = "hf_of_a_test"
LARGE = (".safetensors", ".parquet")
REPO = r"(?P<kind>models|datasets)/(?P<repo>[^/]+/[^/]+)"


@dataclass
class Repo:
    """One repository."""

    private: bool
    branches: dict = field(default_factory=lambda: {"main": {".gitattributes": b"*.parquet filter=lfs\n"}})
    commits: list = field(default_factory=lambda: ["Initial commit"])
    heads: dict = field(default_factory=lambda: {"main": f"{1:040x}"})


class HubSite:
    """What is stored, what was asked, and which requests fail: (method, part of the path, status or "drop", times)."""

    def __init__(self, part_bytes=None):
        self.repos, self.large, self.parts, self.asked, self.faults = {}, {}, {}, [], []
        self.part_bytes, self.endpoint = part_bytes, ""

    def content(self, repo, branch="main", kind="models"):
        """Bytes by path, without what the server put there."""
        return {k: v for k, v in self.repos[kind, repo].branches[branch].items() if k != ".gitattributes"}

    def count(self, method, part):
        return sum(each == method and part in path for each, path in self.asked)

    def fault(self, method, path):
        for row in self.faults:
            if row[0] == method and row[1] in path and row[3]:
                row[3] -= 1
                return row[2]
        return None

    def answer(self, method, path, body, authorised):
        if path.startswith("/storage/"):  # addresses of the storage are signed: they take no token
            return self.storage(method, path, body)
        if not authorised:
            return 401, {"error": "Invalid username or password."}
        for pattern, reply in (
            (r"POST /api/repos/create", self.create),
            (r"POST /api/validate-yaml", self.validate),
            (rf"GET /api/{REPO}(/revision/(?P<branch>.+))?", self.info),
            (rf"GET /api/{REPO}/tree/(?P<branch>[^/]+)", self.tree),
            (rf"POST /api/{REPO}/branch/(?P<branch>[^/]+)", self.branch),
            (rf"POST /api/{REPO}/preupload/(?P<branch>[^/]+)", self.preupload),
            (rf"POST /api/{REPO}/commit/(?P<branch>[^/]+)", self.commit),
            (r"POST /(datasets/)?[^/]+/[^/]+\.git/info/lfs/objects/batch", self.batch),
        ):
            if found := re.fullmatch(pattern, f"{method} {path}"):
                named = found.groupdict()
                if "kind" not in named:
                    return reply(body)
                repo = self.repos.get((named["kind"], named["repo"]))
                if repo is None:
                    return 404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"}
                branch = unquote(named.get("branch") or "main")
                return reply(repo, named["repo"], branch, body)
        return 404, {"error": f"{method} {path} is not played"}

    def create(self, body):
        asked = json.loads(body)
        key = f"{asked['type']}s", f"{asked['organization']}/{asked['name']}"
        self.repos[key] = Repo(private=asked.get("visibility") == "private")
        return 200, {"url": f"{self.endpoint}/{'datasets/' if asked['type'] == 'dataset' else ''}{key[1]}"}

    def validate(self, body):
        bad = "license: 7" in json.loads(body)["content"]
        return (400, {"errors": [{"message": '"license" must be a string'}]}) if bad else (200, {"errors": []})

    def info(self, repo, name, branch, body):
        if branch not in repo.heads:
            return 404, {"error": "Invalid rev id"}, {"X-Error-Code": "RevisionNotFound"}
        return 200, {"id": name, "sha": repo.heads[branch], "private": repo.private, "siblings": []}

    def tree(self, repo, name, branch, body):
        files = repo.branches[branch].items()
        return 200, [{"type": "file", "path": k, "size": len(v), "oid": git_oid(v)} for k, v in files]

    def branch(self, repo, name, branch, body):
        if branch in repo.heads:
            return 409, {"error": "Reference already exists"}
        repo.branches[branch], repo.heads[branch] = dict(repo.branches["main"]), repo.heads["main"]
        return 200, {}

    def preupload(self, repo, name, branch, body):
        rows = []
        for each in json.loads(body)["files"]:
            large = each["path"].endswith(LARGE)
            there = repo.branches[branch].get(each["path"])
            oid = None if there is None else hashlib.sha256(there).hexdigest() if large else git_oid(there)
            mode = "lfs" if large else "regular"
            rows.append({"path": each["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        return 200, {"files": rows}

    def batch(self, body):
        return 200, {"transfer": "basic", "objects": [self.upload(each) for each in json.loads(body)["objects"]]}

    def upload(self, wanted):
        oid, size = wanted["oid"], wanted["size"]
        if oid in self.large:
            return wanted
        actions = {"upload": {"href": f"{self.endpoint}/storage/{oid}"}}
        actions["verify"] = {"href": f"{self.endpoint}/storage/{oid}/verify"}
        if self.part_bytes is not None:
            numbers = range(1, -(-size // self.part_bytes) + 1)
            places = {str(number): f"{self.endpoint}/storage/{oid}/{number}" for number in numbers}
            actions["upload"]["header"] = {"chunk_size": str(self.part_bytes), **places}
        return {**wanted, "actions": actions}

    def storage(self, method, path, body):
        _, _, oid, *rest = path.split("/")
        match method, rest:
            case "PUT", []:
                self.large[oid] = body
            case "PUT", [number]:
                self.parts[oid, int(number)] = body
                return 200, {}, {"ETag": f'"{number}"'}
            case "POST", []:
                told = [part["partNumber"] for part in json.loads(body)["parts"]]
                self.large[oid] = b"".join(self.parts[oid, number] for number in told)
            case "POST", ["verify"]:
                whole = oid in self.large and len(self.large[oid]) == json.loads(body)["size"]
                return (200, {}) if whole else (404, {"error": "no such object"})
        if hashlib.sha256(self.large.get(oid, b"")).hexdigest() != oid:
            self.large.pop(oid, None)
            return 400, {"error": "the content is not what its name says"}
        return 200, {}

    def commit(self, repo, name, branch, body):
        header, *operations = [json.loads(line) for line in body.splitlines()]
        if header["value"].get("parentCommit") != repo.heads[branch]:
            return 412, {"error": "A commit has happened since."}
        files = dict(repo.branches[branch])
        for each in operations:
            value = each["value"]
            match each["key"]:
                case "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                case "lfsFile":
                    files[value["path"]] = self.large[value["oid"]]
                case "deletedFile":
                    del files[value["path"]]
        repo.commits.append(header["value"]["summary"])
        repo.branches[branch], repo.heads[branch] = files, f"{len(repo.commits):040x}"
        head = repo.heads[branch]
        return 200, {"commitUrl": f"{self.endpoint}/{name}/commit/{head}", "commitOid": head, "pullRequestUrl": None}


def git_oid(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def body(handler):
    """What was posted, also in chunks."""
    if handler.headers.get("Transfer-Encoding") != "chunked":
        return handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
    found = b""
    while size := int(handler.rfile.readline(), 16):
        found += handler.rfile.read(size)
        handler.rfile.readline()
    handler.rfile.readline()
    return found


@contextmanager
def served(site):
    """Run the stand-in on a free port of 127.0.0.1."""

    def answer(handler):
        path = urlsplit(handler.path).path
        posted = body(handler)
        site.asked.append((handler.command, path))
        fault = site.fault(handler.command, path)
        if fault == "drop":
            handler.close_connection = True
            return
        authorised = handler.headers.get("Authorization") == f"Bearer {TOKEN}"
        failed = (fault, {"error": "as the test says"}) if fault else None
        status, told, *more = failed or site.answer(handler.command, path, posted, authorised)
        content = json.dumps(told).encode()
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(more[0] if more else {})}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content)

    with serving(answer) as port:
        site.endpoint = f"http://127.0.0.1:{port}"
        yield site
