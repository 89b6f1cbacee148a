"""Reading of the vocabulary: YAML that a nurse can review, checked strictly.

Files in ``data/safety``:

- ``word_lists.yml``: word lists shared by all files;
- ``context.yml``, ``spelling.yml``: see ``context``, ``spelling``;
- every other file with a ``subject``: entries. One entry, one reason to refer.

None of the top-level keys is one that Rasa knows, so Rasa leaves these files alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Collection, Mapping, Sequence

import yaml

from calla.safety.context import ContextRules, rules_from
from calla.safety.patterns import Pattern, PatternError, WordLists, compile_list, compile_pattern
from calla.safety.spelling import Speller

DEFAULT_FOLDER = Path(__file__).resolve().parents[2] / "data" / "safety"
WORD_LISTS, CONTEXT, SPELLING = "word_lists.yml", "context.yml", "spelling.yml"
# Named responses of the referrals; written by others, read by Rasa.
NOT_VOCABULARY = frozenset({"referrals.yml", "contacts.yml"})

# Topics of the screen, most urgent first, with the kind of referral each owes.
KINDS: Mapping[str, str] = {
    "emergency": "emergency",
    "emotional_crisis": "crisis",
    "after_biopsy": "urgent",
    "red_flag_symptom": "urgent",
    "suspicious_finding": "urgent",
    "interpret_my_results": "urgent",
    "refuse_or_delay_care": "planned",
    "probably_benign": "planned",
    "appointment": "planned",
    "word": "planned",
    "stop_medication": "prescriber",
    "medicines": "prescriber",
}

EXCEPT = "except"
_UNLESS = ("unless", "unless_clause", "unless_message")
_FILE_KEYS = frozenset({"subject", "lists", "entries"})
_ENTRY_KEYS = frozenset(
    {
        "id",
        "topic",
        "patterns",
        "example",
        "needs",
        "unless",
        "unless_clause",
        "unless_message",
        "despite",
        "except",
        "negatable",
        "hint",
        "why",
        "source",
    }
)
_ENTRY_REQUIRED = ("id", "topic", "patterns", "example")
_CONTEXT_KEYS = frozenset(
    {
        "negations",
        "pseudo_negations",
        "terminators",
        "negated_before",
        "animals",
        "people",
        "fiction",
        "scope",
        "why",
        "source",
    }
)
_SPELLING_KEYS = frozenset(
    {"rewrites", "important", "important_lists", "function_words", "leave_alone", "emoji", "why"}
)
# Names of medicines at least this long are worth a typo.
_SHORTEST_NAME = 6
_ID = re.compile(r"[a-z][a-z0-9_]+\Z")


class VocabularyError(ValueError):
    """The vocabulary cannot be used; the message names the file and the entry."""


@dataclass(frozen=True)
class Excuse:
    """Something that silences an entry, with the reason why it is there.

    Attributes:
        key: ``except`` or one of the ``unless`` keys.
        what: the pattern, or the name of the word list.
        example: a harmless sentence that the entry would flag without it.
    """

    key: str
    what: str
    example: str


@dataclass(frozen=True)
class Entry:
    """One entry of the vocabulary.

    Attributes:
        id: stable name; stands in records instead of any text.
        topic: one of ``KINDS``.
        patterns: compiled patterns; any of them suffices.
        example: a sentence that only this entry catches.
        needs: word lists of which each must occur somewhere in the message.
        unless: word lists, each with a harmless example that needs it; a match beside one
            of their words is disregarded.
        unless_clause: the same for the whole clause; only for broad nets, since what a
            clause says elsewhere ("..., is chocolate ok") seldom excuses a finding.
        unless_message: the same for the whole message; only where the other words show
            that the message is about something else.
        despite: word lists; where one of their words stands in the text that would excuse
            a match by ``unless`` or ``unless_message``, it excuses nothing ("unless" another
            organ, "despite" breast).
        exceptions: patterns; their words are not read by this entry ("a lump of
            chocolate"), so that a finding beside them is still found.
        excuses: each exception and each list of ``unless`` with its harmless example.
        negatable: whether "no ..." takes the finding away.
        hint: whether a match is only a hint: words that owe a referral more often than
            not, but that everyday stories hold too. A hint needs the learned detector
            to be in doubt; other matches need nobody.
    """

    id: str
    topic: str
    patterns: tuple[Pattern, ...]
    example: str
    needs: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    unless_clause: tuple[str, ...] = ()
    unless_message: tuple[str, ...] = ()
    despite: tuple[str, ...] = ()
    exceptions: tuple[Pattern, ...] = ()
    excuses: tuple[Excuse, ...] = ()
    negatable: bool = True
    hint: bool = False

    def without(self, excuse: Excuse) -> Entry:
        """Return the entry without one of its excuses (for the tests that show that each is needed)."""
        rest = tuple(e for e in self.excuses if e != excuse)
        if excuse.key == EXCEPT:
            kept = tuple(p for p in self.exceptions if p.source != excuse.what)
            return replace(self, exceptions=kept, excuses=rest)
        lists = tuple(name for name in getattr(self, excuse.key) if name != excuse.what)
        return replace(self, excuses=rest, **{excuse.key: lists})  # type: ignore[arg-type]


@dataclass(frozen=True)
class Vocabulary:
    """Everything that the screen needs, from the files of one folder."""

    entries: tuple[Entry, ...]
    lists: WordLists
    list_regexes: Mapping[str, re.Pattern[str]]
    context: ContextRules
    speller: Speller
    emoji: Mapping[str, str] = field(default_factory=dict)


def _read(path: Path) -> dict[str, Any]:
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except (OSError, yaml.YAMLError) as error:
        raise VocabularyError(f"{path.name}: cannot be read: {error}") from error
    if not isinstance(data, dict):
        raise VocabularyError(f"{path.name}: must be a mapping")
    return data


class _Loader(yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader):  # type: ignore[misc]
    """YAML in which "no", "on" and numbers stay words."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, regex) for tag, regex in pairs if tag == "tag:yaml.org,2002:merge"]
    for first, pairs in _Loader.yaml_implicit_resolvers.items()
}


def _check_keys(where: str, data: Mapping[str, Any], allowed: frozenset[str]) -> None:
    for key in data:
        if key not in allowed:
            raise VocabularyError(f"{where}: unknown key {key!r}. Allowed keys: {', '.join(sorted(allowed))}")


def _strings(where: str, value: Any) -> list[str]:
    if isinstance(value, str):
        # One long line of words is easier to review than a line per word.
        return value.split()
    if not isinstance(value, list) or not all(isinstance(v, str) and v.strip() for v in value):
        raise VocabularyError(f"{where}: must be a list of words")
    return value


def _excuses(where: str, data: Mapping[str, Any]) -> tuple[Excuse, ...]:
    """Read what silences an entry: each pattern or list with the example that needs it."""
    found: list[Excuse] = []
    for key in (EXCEPT, *_UNLESS):
        value = data.get(key, {})
        if not isinstance(value, dict) or not all(isinstance(v, str) and v.strip() for v in value.values()):
            raise VocabularyError(f"{where}: {key!r} must give each of its lines a harmless example")
        found.extend(Excuse(key, str(what), example) for what, example in value.items())
    return tuple(found)


def _check_entry(where: str, data: Mapping[str, Any], lists: WordLists) -> None:
    _check_keys(where, data, _ENTRY_KEYS)
    for key in _ENTRY_REQUIRED:
        if not data.get(key):
            raise VocabularyError(f"{where}: needs the key {key!r}")
    if not _ID.match(data["id"]):
        raise VocabularyError(f"{where}: an id is lower-case letters, digits and underscores")
    if data["topic"] not in KINDS:
        raise VocabularyError(f"{where}: unknown topic {data['topic']!r}. Allowed topics: {', '.join(KINDS)}")
    for key in ("negatable", "hint"):
        if data.get(key, "no") not in ("yes", "no"):
            raise VocabularyError(f"{where}: {key!r} is yes or no")
    if not isinstance(data["patterns"], list) or not all(isinstance(p, str) for p in data["patterns"]):
        raise VocabularyError(f"{where}: 'patterns' must be a list of lines")
    for key in ("needs", *_UNLESS, "despite"):
        names = list(data[key]) if isinstance(data.get(key), dict) else _strings(where, data.get(key, []))
        for name in names:
            if name not in lists:
                raise VocabularyError(f"{where}: no word list {name!r}. Known lists: {', '.join(sorted(lists))}")


def _entry(path: Path, data: Any, lists: WordLists) -> Entry:
    if not isinstance(data, dict):
        raise VocabularyError(f"{path.name}: each entry must be a mapping")
    where = f"{path.name}: entry {data.get('id', '?')!r}"
    _check_entry(where, data, lists)
    excuses = _excuses(where, data)
    excepted = [e.what for e in excuses if e.key == EXCEPT]
    try:
        compiled = tuple(p for line in data["patterns"] for p in compile_pattern(line, lists))
        exceptions = tuple(p for line in excepted for p in compile_pattern(line, lists))
    except PatternError as error:
        raise VocabularyError(f"{where}: {error}") from error
    unless = {key: tuple(e.what for e in excuses if e.key == key) for key in _UNLESS}
    return Entry(
        id=data["id"],
        topic=data["topic"],
        patterns=compiled,
        example=data["example"],
        needs=tuple(_strings(where, data.get("needs", []))),
        despite=tuple(_strings(where, data.get("despite", []))),
        exceptions=exceptions,
        excuses=excuses,
        negatable=data.get("negatable", "yes") == "yes",
        hint=data.get("hint", "no") == "yes",
        **unless,
    )


def load_vocabulary(folder: Path = DEFAULT_FOLDER, without: Sequence[str] = ()) -> Vocabulary:
    """Read and check the vocabulary.

    Args:
        folder: where the files are.
        without: ids of entries to leave out (for the tests that show that each entry
            is needed).

    Raises:
        VocabularyError: if a file or entry is not as it should be, with the allowed
            keys where one is wrong.
    """
    lists, raw = _read_lists(folder)
    entries: list[Entry] = []
    for path, data in raw.items():
        entries.extend(_entry(path, e, lists) for e in data.get("entries") or [])
    seen: set[str] = set()
    for entry in entries:
        if entry.id in seen:
            raise VocabularyError(f"entry {entry.id!r} exists twice")
        seen.add(entry.id)
    kept = tuple(e for e in entries if e.id not in without)

    context = _read(folder / CONTEXT)
    _check_keys(CONTEXT, context, _CONTEXT_KEYS)
    context = {
        k: int(v) if k == "scope" else v if k in ("why", "source") else _strings(f"{CONTEXT}: {k}", v)
        for k, v in context.items()
    }
    spelling = _read(folder / SPELLING)
    _check_keys(SPELLING, spelling, _SPELLING_KEYS)

    used_lists = {name for e in kept for name in (*e.needs, *e.unless, *e.unless_clause, *e.unless_message, *e.despite)}
    return Vocabulary(
        entries=kept,
        lists=lists,
        list_regexes={name: compile_list(name, lists) for name in used_lists},
        context=rules_from(context),
        speller=_speller(spelling, kept, used_lists, lists),
        emoji=spelling["emoji"],
    )


def _read_lists(folder: Path) -> tuple[dict[str, list[str]], dict[Path, dict[str, Any]]]:
    """Read the word lists of all files, and what the files of entries hold."""
    shared = _read(folder / WORD_LISTS)
    _check_keys(WORD_LISTS, shared, frozenset({"subject", "lists"}))
    lists: dict[str, list[str]] = {n: _strings(f"{WORD_LISTS}: {n}", v) for n, v in shared["lists"].items()}
    special = {WORD_LISTS, CONTEXT, SPELLING} | NOT_VOCABULARY
    files = [p for p in sorted(folder.glob("*.yml")) if p.name not in special]
    raw = {path: _read(path) for path in files}
    for path, data in raw.items():
        _check_keys(path.name, data, _FILE_KEYS)
        for name, words in (data.get("lists") or {}).items():
            if name in lists:
                raise VocabularyError(f"{path.name}: word list {name!r} exists already")
            lists[name] = _strings(f"{path.name}: {name}", words)
    return lists, raw


def _speller(
    spelling: Mapping[str, Any], kept: Sequence[Entry], used_lists: Collection[str], lists: Mapping[str, Sequence[str]]
) -> Speller:
    """Make the speller know every word that an entry or a list in use can match."""
    patterns = [p for e in kept for p in e.patterns]
    literals = {w for p in patterns for w in p.literals}
    prefixes = {w for p in patterns for w in p.prefixes}
    for name in used_lists:
        for item in lists[name]:
            for word in item.split():
                if "{" not in word:
                    (prefixes if word.endswith("*") else literals).add(word.rstrip("*+"))
    important = list(_strings(f"{SPELLING}: important", spelling["important"]))
    for name in _strings(f"{SPELLING}: important_lists", spelling["important_lists"]):
        important.extend(w.rstrip("*+") for w in lists.get(name, ()) if " " not in w and len(w) >= _SHORTEST_NAME)
    return Speller(
        literals=literals,
        prefixes=prefixes,
        important=list(dict.fromkeys(important)),
        common=_strings(f"{SPELLING}: leave_alone", spelling["leave_alone"]),
        function_words=_strings(f"{SPELLING}: function_words", spelling["function_words"]),
        rewrites=spelling["rewrites"],
    )
