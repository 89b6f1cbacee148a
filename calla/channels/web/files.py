"""The widget's files, read once and served from memory."""

from __future__ import annotations

import gzip
import hashlib
import html
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable, Mapping

from sanic.request import Request
from sanic.response import HTTPResponse, empty, raw

FOLDER = Path(__file__).parents[1] / "static"
# Files by the path they are served at. A path that is not here does not exist, so no
# request can reach outside the folder.
FILES = {
    "/": "index.html",
    "/chat": "chat.html",
    "/widget.js": "widget.js",
    "/chat/chat.js": "chat.js",
    "/chat/page.css": "page.css",
    "/chat/icon.svg": "icon.svg",
    "/embed-check": "embed-check.html",
    "/chat/embed-check.js": "embed-check.js",
}
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
PAGES = ("/", "/chat", "/embed-check")
ONE_YEAR = 31_536_000
FIVE_MINUTES = 300
# A contact of the operator's in a page, and what stands there where none is set: {name|phrase}.
CONTACT = re.compile(r"\{(\w+)\|([^{}]*)\}")


@dataclass(frozen=True)
class File:
    """A file ready to be sent."""

    content: bytes
    compressed: bytes
    content_type: str
    etag: str


def with_contacts(page: bytes, contacts: Mapping[str, str]) -> bytes:
    """Put into a page whom to call: it must be there without JavaScript, and in older browsers."""
    return CONTACT.sub(lambda found: html.escape(contacts.get(found[1], found[2])), page.decode()).encode()


def read_files(contacts: Mapping[str, str], folder: Path = FOLDER) -> dict[str, File]:
    """Read all files, by the path they are served at.

    Args:
        contacts: the operator's contacts, by the placeholder they fill.
        folder: where the files are.

    Raises:
        FileNotFoundError: if the widget has not been built (``docs/widget.md``).
    """
    files = {}
    for path, name in FILES.items():
        content = (folder / name).read_bytes()
        if path in PAGES:
            content = with_contacts(content, contacts)
        files[path] = File(
            content=content,
            compressed=gzip.compress(content, 9, mtime=0),
            content_type=TYPES[Path(name).suffix],
            etag=f'"{hashlib.sha256(content).hexdigest()[:16]}"',
        )
    return files


def page_policy(origins: Iterable[str]) -> str:
    """Return the Content-Security-Policy of the pages.

    Args:
        origins: sites that may show ``/chat`` in a frame.
    """
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            " ".join(("frame-ancestors 'self'", *origins)),
        )
    )


def serve(request: Request, files: dict[str, File], policy: str) -> HTTPResponse:
    """Answer a request for one of the files.

    Args:
        request: the request; its path is one of ``files``.
        files: the files by path.
        policy: Content-Security-Policy of the pages.
    """
    path = request.path if request.path == "/" else request.path.rstrip("/")
    file = files[path]
    versioned = request.args.get("v") is not None
    headers = {
        "ETag": file.etag,
        "Vary": "Accept-Encoding, Origin",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": f"public, max-age={ONE_YEAR}, immutable" if versioned else f"public, max-age={FIVE_MINUTES}",
    }
    if path in PAGES:
        headers["Content-Security-Policy"] = policy
        headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=()"
        headers["Cache-Control"] = "no-cache"
    else:
        # Other sites load the script, also as a module; nothing in it is secret.
        headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        # Allowed sites get this header from the server; twice it would be refused.
        if request.headers.get("origin", "") not in policy.split():
            headers["Access-Control-Allow-Origin"] = "*"
    if request.headers.get("if-none-match") == file.etag:
        return empty(status=304, headers=headers)
    body = file.content
    if "gzip" in request.headers.get("accept-encoding", ""):
        body, headers["Content-Encoding"] = file.compressed, "gzip"
    return raw(body, content_type=file.content_type, headers=headers)
