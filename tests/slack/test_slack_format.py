"""Block Kit: everything is said, within Slack's limits, and nothing is interpreted by accident."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from fake_slack import Call, check_blocks, check_mrkdwn

from calla.channels.slack import home as slack_home
from calla.channels.slack.blocks import LACKS, MAX_BUTTON, MAX_HEADER, plain, render
from calla.channels.slack.text import escaped, link, mrkdwn, pieces
from calla.settings import ROOT

BUTTONS = ("helpful", "not_helpful", "helpful_label", "not_helpful_label", "show", "ask_this", "erase_yes", "erase_no")
BUTTONS += ("handoff_take", *(f"lack_{lack}" for lack in LACKS))
RESPONSES = yaml.safe_load((ROOT / "data" / "conversation" / "slack.yml").read_text(encoding="utf-8"))["responses"]


class Words:
    """The texts of data/conversation/slack.yml, without a model."""

    def text(self, name: str, **values: str) -> str:
        text = str(RESPONSES[name][0]["text"])
        for key, value in values.items():
            text = text.replace(f"{{{key}}}", value)
        return text

    def typical_questions(self) -> list[str]:
        return [f"Question number {number}?" for number in range(7)]


WORDS = Words()


def message(body: str = "Short.", name: str = "utter_faq/x", **parts: Any) -> dict[str, Any]:
    buttons = parts.pop("buttons", [])
    return {
        "text": body,
        "utter_action": name,
        "buttons": [{"title": title, "payload": title} for title in buttons],
        "metadata": {"body": body, **parts},
    }


def said(posts: list[Any]) -> str:
    return "\n".join(Call("", {"blocks": post.blocks}).words for post in posts)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a < b & c > d", "a &lt; b &amp; c &gt; d"),
        ("<@U1> <!channel>", "&lt;@U1&gt; &lt;!channel&gt;"),
        ("&amp;", "&amp;amp;"),
        ("One:\n- two\n- three - four", "One:\n• two\n• three - four"),
    ],
)
def test_text_is_escaped_and_lists_get_bullets(text: str, expected: str) -> None:
    assert mrkdwn(text) == expected
    check_mrkdwn(expected)


@pytest.mark.parametrize(
    ("url", "label", "expected"),
    [
        ("https://a.b/c?d=1&e=2", "A & B", "<https://a.b/c?d=1&amp;e=2|A &amp; B>"),
        ("https://a.b/c|d", "x|y", "<https://a.b/c%7Cd|x/y>"),
        ("javascript:alert(1)", "x", "x"),
        ("", "x", "x"),
    ],
)
def test_links_are_only_to_pages(url: str, label: str, expected: str) -> None:
    assert link(url, label) == expected


@pytest.mark.parametrize("length", [1, 2999, 3000, 3001, 9000, 20_000])
@pytest.mark.parametrize("unit", ["word ", "Sentence one. ", "x", "a & b < c ", "line\n", "para\n\n", "&"])
def test_long_texts_are_split_and_nothing_is_dropped(unit: str, length: int) -> None:
    body = (unit * length)[:length].strip() or "x"
    posts = render(message(body), WORDS)
    for post in posts:
        check_blocks(post.blocks, 50)
        check_mrkdwn(post.text)
    text = "".join(b["text"]["text"] for p in posts for b in p.blocks if b["type"] == "section")
    assert "".join(text.split()) == "".join(escaped(body).split())


def test_pieces_end_where_something_ends() -> None:
    assert pieces("One two. Three four.", 12) == ["One two.", "Three four."]
    assert all(len(piece) <= 10 for piece in pieces("&amp;" * 10, 10))
    assert "".join(pieces("&amp;" * 10, 12)) == "&amp;" * 10


@pytest.mark.parametrize("number", [0, 1, 5, 6, 26, 120])
def test_all_buttons_are_offered(number: int) -> None:
    titles = [f"Title {n}" for n in range(number)]
    posts = render(message(buttons=titles), WORDS)
    for post in posts:
        check_blocks(post.blocks, 50)
    values = [
        e["value"]
        for p in posts
        for _, e in Call("", {"blocks": p.blocks}).buttons()
        if e["action_id"].startswith("calla_ask_")
    ]
    assert values == titles


@pytest.mark.parametrize("length", [MAX_BUTTON, MAX_BUTTON + 1, 200, 1900])
def test_a_long_title_is_readable_in_full(length: int) -> None:
    title = ("A long title " * 200)[:length].strip() + "?"
    posts = render(message(buttons=[title, "Short"]), WORDS)
    for post in posts:
        check_blocks(post.blocks, 50)
    assert "".join(title.split()) in "".join(said(posts).split())
    assert title in [e["value"] for p in posts for _, e in Call("", {"blocks": p.blocks}).buttons()]


def test_many_blocks_make_several_messages() -> None:
    titles = [f"A very long title number {n} that no button takes: " + "x" * 60 for n in range(70)]
    posts = render(message(buttons=titles), WORDS)
    assert len(posts) == 2
    for post in posts:
        check_blocks(post.blocks, 50)


def test_all_sources_are_linked() -> None:
    sources = [{"organisation": f"Org {n}", "title": "T & " + "x" * 200, "url": f"https://a.b/{n}"} for n in range(30)]
    posts = render(message(sources=sources, reviewed="2026-01-01"), WORDS)
    for post in posts:
        check_blocks(post.blocks, 50)
    assert all(f"<https://a.b/{n}|Org {n}, T &amp; " in said(posts) for n in range(30))
    assert "2026-01-01" in said(posts)


@pytest.mark.parametrize("kind", ["emergency", "crisis", "urgent", "planned", "prescriber"])
def test_a_referral_is_marked_and_carries_no_votes(kind: str) -> None:
    (post,) = render(message("Call now.", "utter_referral/x", kind=kind), WORDS, asked="Title", show="C1|1.1")
    assert post.blocks[0]["type"] == "header"
    assert post.blocks[1]["text"]["text"] == "Call now."
    assert not Call("", {"blocks": post.blocks}).buttons()
    check_blocks(post.blocks, 50)


def test_a_clarification_offers_its_topics_without_a_heading() -> None:
    (post,) = render(message("Which?", "utter_did_you_mean", buttons=["A", "Something else"]), WORDS)
    assert WORDS.text("utter_slack/related") not in said([post])


def test_only_a_private_answer_can_be_shown() -> None:
    show = RESPONSES["utter_slack/show"][0]["text"]
    assert show in said(render(message(), WORDS, show="C1|1.1"))
    assert show not in said(render(message(), WORDS))
    assert show not in said(render(message(name="utter_out_of_scope"), WORDS, show="C1|1.1"))


def test_an_empty_message_is_not_sent() -> None:
    assert render(message("  "), WORDS) == []


def test_home_welcome_and_prompts_pass() -> None:
    check_blocks(slack_home.home_view(WORDS, care=True)["blocks"], 100)  # type: ignore[arg-type]
    check_blocks(slack_home.welcome(WORDS).blocks, 50)  # type: ignore[arg-type]
    assert len(slack_home.prompts(WORDS)) == 4  # type: ignore[arg-type]


def test_the_short_texts_fit() -> None:
    for name, (variation,) in RESPONSES.items():
        text = variation["text"]
        check_blocks(plain(name, WORDS).blocks, 50)
        if "/mark_" in name:
            assert len(text) <= MAX_HEADER
        if name.rpartition("/")[2] in BUTTONS:
            assert len(text) <= MAX_BUTTON


def test_every_text_that_is_used_exists_and_the_other_way_round() -> None:
    code = "\n".join(f.read_text(encoding="utf-8") for f in (ROOT / "calla" / "channels" / "slack").glob("*.py"))
    used = set(re.findall(r'"utter_slack/(\w+)"', code))
    used |= {"helpful", "helpful_label", "not_helpful", "not_helpful_label", *(f"lack_{lack}" for lack in LACKS)}
    used = {f"utter_slack/{name}" for name in used}
    marks = {f"utter_slack/mark_{kind}" for kind in ("emergency", "crisis", "urgent", "planned", "prescriber")}
    assert used | marks == set(RESPONSES)


def test_typical_questions_exist() -> None:
    for topic in RESPONSES["utter_slack/typical_questions"][0]["metadata"]["topics"]:
        assert list((ROOT / "data" / "topics").glob(f"*/{topic}.yml")), topic
