"""What Slack delivers, read."""

from __future__ import annotations

import time
from typing import Any

import pytest

from calla.channels.slack.incoming import Team, decoded, read_message, words_of
from calla.text import MAX_SCREENED

TEAM = Team("T", None, frozenset({"UBOT"}))


def event(**changes: Any) -> dict[str, Any]:
    base = {"type": "message", "channel": "C1", "user": "U1", "ts": "1.1", "text": "hi", "channel_type": "channel"}
    return {**base, **changes}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a &lt;b&gt; &amp; c", "a <b> & c"),
        ("&amp;lt;", "&lt;"),
        ("<https://a.b/c>", "https://a.b/c"),
        ("<https://a.b/c|BI-RADS 4>", "BI-RADS 4"),
        ("<mailto:a@b.c|a@b.c> <tel:+1555|+1555> <mailto:d@e.f>", "a@b.c +1555 d@e.f"),
        ("<@UBOT> hello <@UBOT|calla>", " hello "),
        ("<@U9> <@U9|ann>", "@somebody @ann"),
        ("<#C1|general> <#C2|>", "#general #"),
        ("<!here> <!subteam^S1|@nurses> <!date^1^{date}|today>", "@here @nurses today"),
        ("3 &lt; 4", "3 < 4"),
    ],
)
def test_slacks_writing_becomes_what_people_see(text: str, expected: str) -> None:
    assert decoded(text, {"UBOT"}) == expected


def test_emoji_become_characters_where_slack_says_which() -> None:
    elements = [
        {"type": "text", "text": "hi "},
        {"type": "emoji", "name": "wave", "unicode": "1f44b-1f3fb", "skin_tone": 2},
        {"type": "emoji", "name": "broken", "unicode": "zz"},
    ]
    blocks = [{"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": elements}]}]
    message = {"text": "hi :wave::skin-tone-2: at 10:30:15 :lump: :broken:", "blocks": blocks}
    assert words_of(message, {"UBOT"}) == "hi \U0001f44b\U0001f3fb at 10:30:15 :lump: :broken:"


def test_forwarded_messages_are_part_of_the_text() -> None:
    assert words_of({"text": "look", "attachments": [{"is_share": True, "text": "a lump"}]}, {"UBOT"}) == "look\na lump"
    assert words_of({"text": "look", "attachments": [{"text": "a preview of a page"}]}, {"UBOT"}) == "look"
    assert words_of({"text": "", "attachments": [{"fallback": "a lump"}]}, {"UBOT"}) == "a lump"
    assert words_of({"attachments": ["rubbish", None]}, {"UBOT"}) == ""


@pytest.mark.parametrize("unit", ["x", "<", "&lt;", ":a", "<@U1", "<@U1> ", "&amp;amp;"])
def test_a_text_of_any_size_is_read_quickly_and_cut(unit: str) -> None:
    started = time.perf_counter()
    assert len(words_of({"text": unit * (40_000 // len(unit))}, {"UBOT"})) <= MAX_SCREENED
    assert time.perf_counter() - started < 0.5


@pytest.mark.parametrize(
    "changes",
    [
        {"user": None},
        {"user": 5},
        {"channel": ""},
        {"ts": None},
        {"bot_id": "B"},
        {"user": "UBOT"},
        {"edited": {}},
        {"hidden": True},
        {"subtype": "channel_join"},
        {"subtype": "message_changed"},
        {"user": "USLACKBOT"},
    ],
)
def test_what_no_person_writes_is_not_read(changes: dict[str, Any]) -> None:
    assert read_message(event(**changes), TEAM) is None


def test_answers_belong_where_the_question_stands() -> None:
    def place(**changes: Any) -> tuple[str, Any, bool]:
        spoken = read_message(event(**changes), TEAM)
        assert spoken is not None
        return spoken.place.kind, spoken.place.thread, spoken.place.open_thread

    assert place(channel_type="im") == ("im", None, False)
    assert place(channel_type="im", thread_ts="0.9") == ("im", "0.9", True)
    assert place(channel_type="mpim") == ("shared", None, False)
    assert place() == ("shared", "1.1", False)
    assert place(thread_ts="0.9") == ("shared", "0.9", True)
    assert place(channel_type=None, channel="D1") == ("im", None, False)


def test_who_is_addressed_is_known() -> None:
    def flags(text: str, kind: str = "message") -> tuple[bool, bool]:
        spoken = read_message(event(text=text, type=kind), TEAM)
        assert spoken is not None
        return spoken.mentioned, spoken.to_others

    assert flags("<@UBOT> hi") == (True, False)
    assert flags("hi <@UBOT|calla>") == (True, False)
    assert flags(" <@U2> hi") == (False, True)
    assert flags("hi <@U2>") == (False, True)
    assert flags("<!here> who knows?") == (False, True)
    assert flags("<@U2> ask <@UBOT>") == (True, False)
    assert flags("hi", "app_mention") == (True, False)
