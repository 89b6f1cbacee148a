"""``make check-content``: what is wrong in the topic files, in an editor's words, with file and line."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any, Iterator

import yaml

from calla.catalogue import CHAT, FAQ, OUT_OF_SCOPE, REFERRAL, fold
from calla.content.files import ROOT, Entry, Problem, did_you_mean, parse, read, wrong_ending
from calla.content.rules import CONTENT_RULES, ENTRY_RULES, Content
from calla.content.sources import LOADER
from calla.content.talks import talk_problems

# Files that hold referrals which are not topics.
REFERRALS = "data/safety/referrals.yml"
CONTACTS = "data/safety/contacts.yml"
TABLE = "data/sources.yml"
# Placeholders that settings fill, with what they say by default.
FROM_SETTINGS = {"retention_days": "30"}
REVIEW = "docs/content-review.md"
# Texts of "tell me more", which details have replaced.
MORE = "more"
SOURCE_KEYS = ("organisation", "title", "url", "kind", "check")
SOURCE_KINDS = ("charity", "government", "guideline", "hospital", "reference", "review", "trial")
ADDRESS = re.compile(r"https?://[^\s\"'>)\]}]+")
# A row of the table of links to open.
LISTED = re.compile(r"\| ([A-Z][A-Z0-9-]+) \|")
EXAMPLE = re.compile(r"\s+- (?![{]|text:)")
NAME = re.compile(r"[a-z0-9][a-z0-9_]*")


def check(root: Path = ROOT) -> list[Problem]:
    """Return everything that an editor should mend, file by file.

    Args:
        root: the project (a copy of it in tests).
    """
    content, problems = load(root)
    for entry in content.entries:
        for rule in ENTRY_RULES:
            problems.extend(rule(entry, content))
    for rule_of_all in CONTENT_RULES:
        problems.extend(rule_of_all(content))
    problems.extend(talk_problems(content, root))
    return sorted(set(problems))


def load(root: Path = ROOT) -> tuple[Content, list[Problem]]:
    """Read all files of the content; the problems are those of form."""
    problems: list[Problem] = []
    entries: list[Entry] = []
    unread: set[str] = set()
    for path in sorted(p for p in (root / "data" / "topics").rglob("*") if p.is_file() and p.name[0] != "."):
        shown = str(path.relative_to(root))
        if ending := wrong_ending(path, shown):
            problems.append(ending)
            continue
        found, wrong = read(path, root)
        problems += [*wrong, *_misplaced(path, shown, found)]
        entries += [entry for entry in found if entry.group != MORE]
        if not found:
            unread.add(path.stem)
    found, wrong = read(root / REFERRALS, root)
    entries += found
    problems += [
        *wrong,
        *_other_texts(root),
        *_table_problems(root),
        *_strange_addresses(root),
        *_review_problems(root),
    ]
    content = Content(
        entries=tuple(entries),
        labels=tuple(_texts(root / "domain.yml", "utter_evidence/")),
        placeholders={**_texts(root / CONTACTS, "utter_contact/"), **FROM_SETTINGS},
        sources=frozenset(_plain(root / TABLE).get("sources") or ()),
        unread=frozenset(unread),
        test_messages=dict(_test_messages(root)),
    )
    return content, problems


def _misplaced(path: Path, shown: str, entries: list[Entry]) -> Iterator[Problem]:
    """One file is one topic: every name in it carries the name of the file."""
    section = path.parent.name
    groups = {"conversation": (CHAT,), "safety": (REFERRAL, FAQ)}.get(section, (FAQ,))
    for entry in entries:
        prefix, _, detail = entry.id.partition(".")
        own = [f"{group}/{path.stem}" + (f".{detail}" if detail else "") for group in groups]
        if entry.group == MORE:
            yield Problem(shown, entry.line, "utter_more is not used any more: write a detail instead")
        elif entry.name == OUT_OF_SCOPE and path.stem == OUT_OF_SCOPE:
            continue
        elif prefix != path.stem and not did_you_mean(prefix, [path.stem]):
            yield Problem(
                shown, entry.line, f"a second topic in this file: '{entry.name}' needs its own file {prefix}.yml"
            )
        elif entry.name not in own:
            yield Problem(shown, entry.line, f"'{entry.name}' does not fit this file; did you mean '{own[0]}'?")
        elif not all(NAME.fullmatch(part) for part in entry.id.split(".")):
            yield Problem(shown, entry.line, f"the name '{entry.id}': use small letters, digits and _ only")


def _other_texts(root: Path) -> Iterator[Problem]:
    """The texts around the topics need no more than to be readable."""
    for folder in ("conversation", "safety", "rules"):
        for path in sorted((root / "data" / folder).glob("*")):
            if path.suffix == ".yml":
                yield from parse(path, str(path.relative_to(root)))[1]


def _table_problems(root: Path) -> Iterator[Problem]:
    """Each source has organisation, title, address and kind; no address stands twice."""
    node, problems = parse(root / TABLE, TABLE)
    yield from problems
    if not isinstance(node, yaml.MappingNode):
        return
    addresses: dict[str, str] = {}
    keys: set[str] = set()
    for key, value in next((v for k, v in node.value if k.value == "sources"), node).value:
        line = key.start_mark.line + 1
        entry = {k.value: v.value for k, v in value.value}
        if key.value in keys:
            yield Problem(TABLE, line, f"the key {key.value} stands twice")
        keys.add(key.value)
        for name in ("organisation", "title", "url", "kind"):
            if not entry.get(name):
                yield Problem(TABLE, line, f"{key.value}: no {name}")
        for name in entry.keys() - set(SOURCE_KEYS):
            yield Problem(TABLE, line, f"{key.value}: unknown name '{name}'{did_you_mean(name, SOURCE_KEYS)}")
        if entry.get("kind", SOURCE_KINDS[0]) not in SOURCE_KINDS:
            hint = did_you_mean(entry["kind"], SOURCE_KINDS) or f"; known are {', '.join(SOURCE_KINDS)}"
            yield Problem(TABLE, line, f"{key.value}: the kind is '{entry['kind']}'{hint}")
        url = entry.get("url", "")
        opened = entry.get("check") != "true"
        if not re.match(r"https?://[\w-]+(\.[\w-]+)+", url) or (opened and not url.startswith("https://")):
            yield Problem(TABLE, line, f"{key.value}: no https address: {url} (if there is none, add 'check: true')")
        if (plain := re.sub(r"^https?://(www\.)?|/$", "", url)) in addresses:
            yield Problem(TABLE, line, f"{key.value}: {addresses[plain]} has the same address")
        addresses[plain] = key.value


def _review_problems(root: Path) -> Iterator[Problem]:
    """The page for the clinician lists exactly the sources that nobody has opened yet."""
    page = root / REVIEW
    lines = page.read_text(encoding="utf-8").splitlines() if page.is_file() else []
    listed = {match.group(1): number for number, line in enumerate(lines, 1) if (match := LISTED.match(line))}
    table = _plain(root / TABLE).get("sources") or {}
    unopened = {key for key, entry in table.items() if entry.get("check")}
    for key in sorted(unopened - listed.keys()):
        yield Problem(REVIEW, 1, f"the source {key} has 'check: true' but is not listed among the links to open")
    for key in sorted(listed.keys() - unopened):
        yield Problem(REVIEW, listed[key], f"the source {key} is listed, but has no 'check: true' in {TABLE}")


def _strange_addresses(root: Path) -> Iterator[Problem]:
    """Every address that a text or a comment of the data names stands in the table; people may type what they like."""
    known = {entry.get("url") for entry in (_plain(root / TABLE).get("sources") or {}).values()}
    for path in sorted((root / "data").rglob("*.yml")):
        shown = str(path.relative_to(root))
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if shown == TABLE or EXAMPLE.match(line):
                continue
            for address in ADDRESS.findall(line):
                if address not in known:
                    yield Problem(shown, number, f"an address that is not in data/sources.yml: {address}")


def _plain(path: Path) -> dict[str, Any]:
    """Return a file's content, or nothing if it cannot be read (the problem is named elsewhere)."""
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=LOADER) or {}
    except (yaml.YAMLError, UnicodeDecodeError):
        return {}


def _texts(path: Path, prefix: str) -> dict[str, str]:
    """Return the texts of the responses whose names begin with ``prefix``, by the rest of the name."""
    responses = _plain(path).get("responses") or {}
    return {n.removeprefix(prefix): v[0]["text"] for n, v in responses.items() if n.startswith(prefix)}


def _test_messages(root: Path) -> Iterator[tuple[str, str]]:
    for path in sorted((root / "tests").rglob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            message = json.loads(line) if line.strip() else {}
            turns = message.get("turns") or ()
            for text in (*turns, message.get("text")):
                if isinstance(text, str) and fold(text):
                    yield fold(text), str(path.relative_to(root))


def main(arguments: list[str]) -> int:
    """Print what is wrong, in the given files only or in all; 1 if something must be mended."""
    wanted = {str(Path(name).resolve().relative_to(ROOT)) for name in arguments}
    problems = [problem for problem in check() if not wanted or problem.path in wanted]
    for problem in problems:
        print(f"{problem.path}:{problem.line}: {'(wish) ' if problem.wish else ''}{problem.text}")
    broken = sum(not problem.wish for problem in problems)
    print(f"{broken} to mend, {len(problems) - broken} wishes." if problems else "The content is in order.")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
