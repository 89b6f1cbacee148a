"""Text as Slack wants it: escaped, linked, cut where something ends."""

from __future__ import annotations

import re

# Characters.
MAX_SECTION = 3000
_BREAKS = ("\n\n", "\n", ". ", " ")


def escaped(text: str) -> str:
    """Return ``text`` with the three characters escaped that mean something to Slack."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def mrkdwn(text: str) -> str:
    """Return plain text as mrkdwn: escaped, with list items as bullets."""
    return re.sub(r"^- ", "• ", escaped(text), flags=re.M)


def link(url: str, label: str) -> str:
    """Return a link in mrkdwn; the label alone if the address is not one to click."""
    if not re.match(r"https?://", url):
        return escaped(label)
    address = escaped(url).replace("|", "%7C").replace(" ", "%20")
    return f"<{address}|{escaped(label).replace('|', '/')}>"


def pieces(text: str, limit: int = MAX_SECTION) -> list[str]:
    """Cut a mrkdwn text into pieces of at most ``limit`` characters, at a good place."""
    found = []
    rest = text.strip()
    while len(rest) > limit:
        cut = 0
        for mark in _BREAKS:
            cut = rest.rfind(mark, limit // 2, limit)
            if cut > 0:
                cut += 1 if mark == ". " else 0
                break
        if cut <= 0:
            cut = limit
            # An escaped character stays whole.
            entity = rest.rfind("&", cut - 4, cut)
            if entity > 0 and ";" not in rest[entity:cut]:
                cut = entity
        found.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    if rest:
        found.append(rest)
    return found
