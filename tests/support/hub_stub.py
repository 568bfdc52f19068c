"""A Hub on loopback that keeps what is committed to it, for the real client."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import unquote, urlsplit

COMMIT = "c" * 40


@dataclass
class Hub:
    """What was sent.

    Attributes:
        url: the endpoint.
        token: the only one that may write.
        made: bodies of the requests that made repositories.
        branches: names of branches that were made.
        files: content, by repository and name.
        asked: method and path of every request.
    """

    token: str
    url: str = ""
    made: list[dict[str, object]] = field(default_factory=list)
    branches: list[str] = field(default_factory=list)
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    kept: ClassVar[Hub]

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = self._path()
        if self.headers.get("Authorization") != f"Bearer {self.kept.token}":
            self._say({"error": "Invalid credentials"}, 401)
        elif path == "/api/repos/create":
            asked = json.loads(body)
            self.kept.made.append(asked)
            name = f"{asked['organization']}/{asked['name']}"
            self._say({"url": f"{self.kept.url}/{name}", "name": name})
        elif path == "/api/validate-yaml":
            self._say({"errors": [], "warnings": []})
        elif "/branch/" in path:
            self.kept.branches.append(path.rpartition("/")[2])
            self._say({})
        elif "/preupload/" in path:
            names = [one["path"] for one in json.loads(body)["files"]]
            self._say({"files": [_plain(name) for name in names]})
        elif "/commit/" in path:
            repository = "/".join(path.split("/")[3:5])
            for line in body.splitlines():
                said = json.loads(line)
                if said["key"] == "file":
                    content = base64.b64decode(said["value"]["content"])
                    self.kept.files.setdefault(repository, {})[said["value"]["path"]] = content
            url = f"{self.kept.url}/{repository}/commit/{COMMIT}"
            self._say({"success": True, "commitOid": COMMIT, "commitUrl": url})
        else:
            self._say({"error": "not found"}, 404)

    def do_HEAD(self) -> None:
        self._read()

    def do_GET(self) -> None:
        self._read()

    def _read(self) -> None:
        parts = self._path().strip("/").split("/")
        if parts[0] == "api":
            files = self.kept.files.get("/".join(parts[2:4]), {})
            if "tree" in parts:
                self._say([_entry(name, one) for name, one in sorted(files.items())])
            else:
                names = [{"rfilename": name} for name in sorted(files)]
                self._say({"id": "/".join(parts[2:4]), "sha": COMMIT, "siblings": names})
            return
        content = self.kept.files.get("/".join(parts[:2]), {}).get("/".join(parts[4:]))
        if content is None:
            self._say({"error": "Entry not found"}, 404, "EntryNotFound")
        else:
            self._send(content, 200, {"ETag": f'"{hashlib.sha1(content).hexdigest()}"'})

    def _path(self) -> str:
        path = unquote(urlsplit(self.path).path)
        self.kept.asked.append(f"{self.command} {path}")
        return path

    def _say(self, value: object, status: int = 200, code: str = "") -> None:
        headers = {"Content-Type": "application/json"}
        self._send(json.dumps(value).encode(), status, headers | {"X-Error-Code": code})

    def _send(self, content: bytes, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "X-Repo-Commit": COMMIT}.items():
            if value:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


@contextmanager
def hub(token: str = "hf_writer") -> Iterator[Hub]:
    """A server that stops at the end of the block."""
    kept = Hub(token)

    handler = type("Handler", (_Handler,), {"kept": kept})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    kept.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield kept
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _plain(name: str) -> dict[str, object]:
    return {"path": name, "uploadMode": "regular", "shouldIgnore": False, "oid": None}


def _entry(name: str, content: bytes) -> dict[str, object]:
    oid = hashlib.sha1(content).hexdigest()
    return {"type": "file", "path": name, "size": len(content), "oid": oid}
