"""The vocabulary as data: strict files, and no entry that is not needed."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from calla.safety.screen import Screen
from calla.safety.vocabulary import (
    DEFAULT_FOLDER,
    NOT_VOCABULARY,
    Entry,
    Excuse,
    VocabularyError,
    load_vocabulary,
)

VOCABULARY = load_vocabulary()
WHOLE = Screen(VOCABULARY)
ENTRIES = [pytest.param(e, id=e.id) for e in VOCABULARY.entries]
EXCUSES = [
    pytest.param(entry, excuse, id=f"{entry.id}-{excuse.key}-{number}")
    for entry in VOCABULARY.entries
    for number, excuse in enumerate(entry.excuses)
]
# Top-level keys that Rasa would read as its own.
RASA_KEYS = {
    "nlu",
    "responses",
    "rules",
    "stories",
    "intents",
    "entities",
    "slots",
    "actions",
    "forms",
    "session_config",
    "version",
}


@pytest.mark.parametrize("entry", ENTRIES)
def test_example_is_found_and_by_this_entry_alone(entry) -> None:  # type: ignore[no-untyped-def]
    """The example of each entry is found; without the entry it no longer is (mutation)."""
    assert WHOLE.find(entry.example)[0].rule == entry.id
    rest = Screen(replace(VOCABULARY, entries=tuple(e for e in VOCABULARY.entries if e.id != entry.id)))
    assert rest.find(entry.example) == [], f"{entry.id!r} is not needed for its own example"


@pytest.mark.parametrize(("entry", "excuse"), EXCUSES)
def test_an_excuse_is_needed_for_its_example(entry: Entry, excuse: Excuse) -> None:
    """The harmless example beside each exception is not found; without the exception it is (mutation)."""
    assert entry.topic not in {f.topic for f in WHOLE.find(excuse.example)}
    rest = tuple(entry.without(excuse) if e is entry else e for e in VOCABULARY.entries)
    found = {f.topic: f.rule for f in Screen(replace(VOCABULARY, entries=rest)).find(excuse.example)}
    assert found.get(entry.topic) == entry.id, f"{excuse.what!r} changes nothing for its own example"


def test_every_list_and_every_despite_is_used() -> None:
    """What nobody refers to any more is deleted."""
    text = "".join(path.read_text(encoding="utf-8") for path in DEFAULT_FOLDER.glob("*.yml"))
    idle = [name for name in VOCABULARY.lists if len(re.findall(rf"\b{name}\b", text)) < 2]
    assert idle == []
    assert [e.id for e in VOCABULARY.entries if e.despite and not (e.unless or e.unless_message)] == []


def test_leaving_out_an_entry_by_id() -> None:
    """``without`` leaves entries out, for checks from outside."""
    assert len(load_vocabulary(without=["lump"]).entries) == len(VOCABULARY.entries) - 1


def test_files_have_no_key_of_rasa() -> None:
    """Rasa reads everything under ``data/``; our files must not look like its own."""
    for path in DEFAULT_FOLDER.glob("*.yml"):
        if path.name not in NOT_VOCABULARY:
            assert not RASA_KEYS & set(yaml.safe_load(path.read_text(encoding="utf-8"))), path.name


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a copy of the vocabulary that a test may break."""
    copy = tmp_path / "safety"
    shutil.copytree(DEFAULT_FOLDER, copy)
    for path in copy.glob("*.yml"):
        if "entries" in (yaml.safe_load(path.read_text(encoding="utf-8")) or {}):
            path.unlink()
    return copy


GOOD = {"id": "some_rule", "topic": "medicines", "patterns": ["natto"], "example": "natto"}


def write(folder: Path, entry: dict[str, object], **more: object) -> None:
    """Write a vocabulary file with one entry."""
    text = yaml.safe_dump({"subject": "a test", "entries": [entry], **more}, allow_unicode=True)
    (folder / "test.yml").write_text(text, encoding="utf-8")


def test_a_good_file_is_read(folder: Path) -> None:
    """The smallest possible entry works."""
    write(folder, GOOD)
    assert Screen(load_vocabulary(folder)).find("natto?")[0].rule == "some_rule"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"patern": ["x"]}, "unknown key 'patern'. Allowed keys: despite, example, except, hint, id"),
        ({"topic": "medicine"}, "unknown topic 'medicine'. Allowed topics: emergency"),
        ({"id": "Some Rule"}, "an id is lower-case"),
        ({"patterns": "natto"}, "must be a list of lines"),
        ({"patterns": ["natto .."]}, "a gap cannot begin or end"),
        ({"patterns": []}, "needs the key 'patterns'"),
        ({"example": ""}, "needs the key 'example'"),
        ({"needs": ["nothing_like_it"]}, "no word list 'nothing_like_it'"),
        ({"negatable": "maybe"}, "'negatable' is yes or no"),
        ({"except": ["natto beans"]}, "'except' must give each of its lines a harmless example"),
        ({"unless": {"supplement": ""}}, "'unless' must give each of its lines a harmless example"),
        ({"unless": {"nothing_like_it": "x"}}, "no word list 'nothing_like_it'"),
    ],
)
def test_a_wrong_entry_is_refused(folder: Path, change: dict[str, object], message: str) -> None:
    """A wrong entry is refused with the file, the entry and what is allowed."""
    write(folder, {**GOOD, **change})
    with pytest.raises(VocabularyError, match=r"test\.yml") as error:
        load_vocabulary(folder)
    assert message in str(error.value)


def test_a_wrong_file_key_is_refused(folder: Path) -> None:
    """A wrong top-level key is refused with the allowed ones listed."""
    write(folder, GOOD, rules=[])
    with pytest.raises(VocabularyError, match="Allowed keys: entries, lists, subject"):
        load_vocabulary(folder)


def test_an_id_given_twice_is_refused(folder: Path) -> None:
    """Two entries cannot share an id."""
    text = yaml.safe_dump({"subject": "a test", "entries": [GOOD, GOOD]})
    (folder / "test.yml").write_text(text, encoding="utf-8")
    with pytest.raises(VocabularyError, match="exists twice"):
        load_vocabulary(folder)


def test_a_broken_yaml_file_is_refused(folder: Path) -> None:
    """A file that is not YAML is refused by name."""
    (folder / "test.yml").write_text("entries: [", encoding="utf-8")
    with pytest.raises(VocabularyError, match=r"test\.yml"):
        load_vocabulary(folder)
