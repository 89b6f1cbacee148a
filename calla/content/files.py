"""Topic files read with their line numbers, so that a complaint can say where to look.

``read`` turns one file into entries (an intent with its examples, and the response of the
same name) and into problems of form: what cannot be read, what would be dropped. What an
entry says is judged in ``rules``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Iterable, Iterator, Optional

import yaml

from calla.content.sources import LOADER

ROOT = Path(__file__).resolve().parents[2]
TOP_KEYS = ("version", "nlu", "responses")
INTENT_KEYS = ("intent", "metadata", "examples")
# What the metadata of an intent say: the referral that these of its examples owe by their own words.
OWES = "owes"
ANSWER_KEYS = ("text", "metadata")
FIELDS = (
    "title", "subject", "aspect", "evidence", "referral", "referral_to", "kind", "sources", "reviewed", "related",
    "yes_means", "tone",
)  # fmt: skip
# Rasa knows these, Calla's channels do not show them.
DROPPED = ("buttons", "image", "custom", "attachment", "elements", "quick_replies", "button_type", "channel")
NO_DASH = "a dash is missing before 'text:': write '  - text: |-'"
TAB = "a tab: use spaces at the start of a line"
# What the reader of YAML says, and what an editor has to do about it.
SLIPS = (
    ("mapping values are not allowed", 'a colon inside a text: put the whole text in quotes, as in title: "..."'),
    ("tab character", TAB),
    ("while scanning a quoted scalar", "a quotation mark is opened and never closed, or stands inside the text"),
    ("expected <block end>", "the spaces at the start of this line do not fit the lines above it"),
    (
        "could not find expected ':'",
        "a line like `name: value` is expected; a line of a text needs more spaces in front",
    ),
    ("expected ',' or ']'", "a list in brackets is not closed, or a comma is missing, as in related: [one, two]"),
    ("cannot start any token", "a text that starts with this sign needs quotes"),
    ("undefined alias", "a text that starts with * needs quotes"),
    (
        "did not find expected key",
        "a quotation mark above is never closed, or the spaces at the start of this line do not fit",
    ),
    ("did not find expected '-'", "the spaces at the start of this line do not fit the lines above it"),
)
# Files that are changed together with the clinician only.
SAFETY = ("data/topics/safety/", "data/safety/")
# A tab where only spaces may stand: before the text of a line, or after its dash.
TABBED = re.compile(r"[ -]*\t")
# The first line of an answer without its dash.
DASHLESS = re.compile(r" *text: *[|>]")
# UTF-8 read as Windows text and saved again.
GARBLED = re.compile("\N{REPLACEMENT CHARACTER}|â€|Ã[\\x80-\\xbf]|Â[\\xa0-\\xbf]")


@dataclass(frozen=True, order=True)
class Problem:
    """One thing to mend.

    Attributes:
        path: file, relative to the project.
        line: line in it, from 1.
        text: what is wrong, in an editor's words.
        wish: it would be better otherwise, but nothing is broken.
    """

    path: str
    line: int
    text: str
    wish: bool = False


@dataclass(frozen=True)
class Example:
    """One training example, its line, and the referral that its own words owe, if its block says so."""

    text: str
    line: int
    owes: str = ""


@dataclass(frozen=True)
class Field:
    """One value of the metadata, as written, and its line."""

    value: object
    line: int


@dataclass
class Entry:
    """One topic or detail: what people ask, and what is answered.

    Attributes:
        name: group and id, as in ``faq/what_is_mk7`` or ``faq/what_is_mk7.sources``.
        path: file, relative to the project.
        line: where it starts.
        examples: what people ask; empty if there is no such intent.
        blocks: what the blocks of examples owe, "" for the plain one; empty if there is no such intent.
        text: the answer; ``None`` if there is no such response.
        text_line: where the answer starts.
        metadata: title, evidence, sources and so on.
    """

    name: str
    path: str
    line: int
    examples: list[Example] = field(default_factory=list)
    blocks: set[str] = field(default_factory=set)
    text: Optional[str] = None
    text_line: int = 0
    metadata: dict[str, Field] = field(default_factory=dict)

    @property
    def group(self) -> str:
        """``faq``, ``chat``, ``referral``, ``referral_short`` or ``out_of_scope``."""
        return self.name.partition("/")[0]

    @property
    def id(self) -> str:
        """Topic id, or ``topic.detail``."""
        return self.name.partition("/")[2] or self.name

    @property
    def has_intent(self) -> bool:
        """Say whether people ask for this."""
        return bool(self.blocks)

    @property
    def is_detail(self) -> bool:
        """Say whether this is a detail of a topic."""
        return "." in self.id

    @property
    def is_safety(self) -> bool:
        """Say whether this stands in a file that is changed together with the clinician only."""
        return self.path.startswith(SAFETY)

    def value(self, name: str) -> str:
        """Return a value of the metadata as text; empty if it is missing."""
        found = self.metadata.get(name)
        return found.value if found and isinstance(found.value, str) else ""

    def values(self, name: str) -> list[str]:
        """Return a list of the metadata."""
        found = self.metadata.get(name)
        return [str(item) for item in found.value] if found and isinstance(found.value, list) else []

    def problem(self, text: str, at: str = "", *, wish: bool = False) -> Problem:
        """Return a complaint about this entry, at the line of a field or of the ``text``."""
        line = self.text_line if at == "text" else self.metadata[at].line if at in self.metadata else self.line
        label = self.id if at == "" or self.is_detail else ""
        return Problem(self.path, line, f"{label}: {text}" if label else text, wish)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a hint at the nearest known word, or an empty text."""
    near = get_close_matches(word, list(known), n=1, cutoff=0.75)
    return f"; did you mean '{near[0]}'?" if near else ""


def wrong_ending(path: Path, shown: str) -> Optional[Problem]:
    """Return what is wrong with the name of a file that nobody would read, ``None`` if it is one of content."""
    if path.suffix == ".yml":
        return None
    return Problem(shown, 1, f"the name ends in '{path.suffix}': rename it to {path.stem}.yml")


def read(path: Path, root: Path = ROOT) -> tuple[list[Entry], list[Problem]]:
    """Read a topic file, or the file of referrals.

    Args:
        path: the file.
        root: the project, for the names in complaints.
    """
    return _Reader(str(path.relative_to(root))).read(path)


def parse(path: Path, shown: str) -> tuple[Optional[yaml.Node], list[Problem]]:
    """Return the YAML of a file with its line numbers, or why it cannot be read."""
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        return None, [Problem(shown, line, "a character that is not UTF-8: save the file as UTF-8 text")]
    garbled = [
        Problem(shown, number, f"garbled characters ('{match.group()}'): the file was once saved in another encoding")
        for number, line in enumerate(text.splitlines(), 1)
        if (match := GARBLED.search(line))
    ]
    try:
        return yaml.compose(text, Loader=LOADER), garbled
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = f"{error.context or ''} {error.problem or ''}".strip()
        meaning = next((meaning for part, meaning in SLIPS if part in said), f"this line cannot be read ({said})")
        line = mark.line if mark else 0
        lines = f"{text}\n".splitlines()[: line + 1]
        if TABBED.match(lines[line]):
            meaning = TAB
        elif dashless := [number for number, before in enumerate(lines) if DASHLESS.match(before)]:
            line, meaning = dashless[-1], NO_DASH
        return None, [*garbled, Problem(shown, line + 1, meaning)]
    except yaml.YAMLError as error:
        return None, [*garbled, Problem(shown, 1, f"the file cannot be read ({error})")]


class _Reader:
    """Walks through the nodes of one file and collects entries and problems."""

    def __init__(self, shown: str) -> None:
        self.path = shown
        self.entries: dict[str, Entry] = {}
        self.problems: list[Problem] = []

    def read(self, path: Path) -> tuple[list[Entry], list[Problem]]:
        node, self.problems = parse(path, self.path)
        if node is None:
            if not self.problems:
                self._complain(1, "the file is empty")
            return [], self.problems
        parts = dict((key, value) for key, _line, value in self._mapping(node, TOP_KEYS, "the file"))
        version = parts.get("version")
        if version is None or version.value != "3.1" or version.tag.endswith(":float"):
            self._complain(_line(version) if version else 1, 'the first line must be: version: "3.1"')
        for item in self._items(parts.get("nlu"), "nlu"):
            self._intent(item)
        if "responses" in parts:
            for name, line, value in self._mapping(parts["responses"], None, "responses"):
                self._response(name, line, value)
        return list(self.entries.values()), self.problems

    def _complain(self, line: int, text: str) -> None:
        self.problems.append(Problem(self.path, line, text))

    def _mapping(
        self, node: yaml.Node, known: Optional[Iterable[str]], where: str
    ) -> Iterator[tuple[str, int, yaml.Node]]:
        """Give key, line and value; complain of unknown and of repeated keys."""
        if not isinstance(node, yaml.MappingNode):
            self._complain(_line(node), f"{where}: lines like `name: value` are expected here")
            return
        seen: set[str] = set()
        for key, value in node.value:
            name, line = str(key.value), _line(key)
            if name in seen:
                self._complain(line, f"'{name}' stands twice; only the last one would count")
            seen.add(name)
            if known is not None and name in DROPPED:
                self._complain(line, f"'{name}' would not be shown: Calla shows the text; buttons come from 'related'")
            elif known is not None and name not in known:
                hint = did_you_mean(name, known) or f"; known are {', '.join(known)}"
                self._complain(line, f"unknown name '{name}' in {where}{hint}")
            else:
                yield name, line, value

    def _items(self, node: Optional[yaml.Node], where: str) -> list[yaml.Node]:
        if node is None:
            return []
        if not isinstance(node, yaml.SequenceNode):
            self._complain(_line(node), f"{where}: a list is expected here, each item with '- ' in front")
            return []
        return list(node.value)

    def _intent(self, node: yaml.Node) -> None:
        parts = {key: (line, value) for key, line, value in self._mapping(node, INTENT_KEYS, "nlu")}
        if "intent" not in parts or "examples" not in parts:
            self._complain(_line(node), "an intent needs the lines 'intent: ...' and 'examples: |'")
            return
        line, value = parts["intent"]
        owes = self._owes(parts["metadata"][1]) if "metadata" in parts else ""
        if owes is None:
            return
        entry = self._entry(str(value.value), line)
        if owes in entry.blocks:
            self._complain(line, f"the intent '{entry.name}' stands twice: put its examples together")
        entry.blocks.add(owes)
        line, block = parts["examples"]
        if not isinstance(block, yaml.ScalarNode) or block.style != "|":
            self._complain(line, "write 'examples: |' and below it one example a line, each with '- ' in front")
            return
        for number, text in enumerate(block.value.splitlines(), block.start_mark.line + 2):
            example = text.strip()
            if example.startswith("- ") and example[2:].strip():
                entry.examples.append(Example(example[2:].strip(), number, owes))
            elif example:
                self._complain(number, f"an example must start with '- ' (a dash and a space): '{example[:40]}'")

    def _owes(self, node: yaml.Node) -> Optional[str]:
        """Return the referral that a block of examples owes; ``None`` where it does not say which."""
        values = [value for _, _, value in self._mapping(node, (OWES,), "the metadata of an intent")]
        if len(values) != 1 or not isinstance(values[0], yaml.ScalarNode) or not values[0].value:
            self._complain(_line(node), f"write '{OWES}: ' and the name of one referral")
            return None
        return str(values[0].value)

    def _response(self, name: str, line: int, node: yaml.Node) -> None:
        entry = self._entry(name.removeprefix("utter_"), line)
        if not name.startswith("utter_"):
            self._complain(line, f"the name of a response starts with utter_: utter_{name}?")
        if isinstance(node, yaml.MappingNode):
            # Read as if the dash were there: what else it would lead to is not the editor's slip.
            self._complain(_line(node), NO_DASH)
            variations: list[yaml.Node] = [node]
        else:
            variations = self._items(node, name)
        if len(variations) != 1:
            self._complain(line, f"{name}: exactly one '- text: |-' is shown, here are {len(variations)}")
        for variation in variations[:1]:
            entry.text = entry.text or ""
            for key, at, value in self._mapping(variation, ANSWER_KEYS, "a response"):
                if key == "text":
                    entry.text, entry.text_line = str(value.value).strip(), at
                    if not isinstance(value, yaml.ScalarNode):
                        self._complain(at, "'text' must be a text: write 'text: |-' and the text below it")
                else:
                    for field_name, field_line, found in self._mapping(value, FIELDS, "metadata"):
                        entry.metadata[field_name] = Field(self._plain(found, field_name), field_line)

    def _plain(self, node: yaml.Node, name: str) -> object:
        """Return a text or a list of texts; a value that YAML would take for something else is refused."""
        if isinstance(node, yaml.SequenceNode):
            return [
                item.value if isinstance(item, yaml.ScalarNode) else dict((k.value, v.value) for k, v in item.value)
                for item in node.value
            ]
        if isinstance(node, yaml.ScalarNode):
            kind = node.tag.rpartition(":")[2]
            if kind != "str":
                self._complain(_line(node), f"{name}: {node.value or '(nothing)'}: write a text, in quotes")
            return node.value if kind != "null" else ""
        self._complain(_line(node), f"'{name}' must be a text or a list")
        return ""

    def _entry(self, name: str, line: int) -> Entry:
        return self.entries.setdefault(name, Entry(name, self.path, line))


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
