"""What a screen reader is told: in order, the referral first; and what it finds when it looks around."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Callable

import pytest
from playwright.sync_api import Route, expect
from scripted_server import ANSWER, CRISIS, EMERGENCY, FINDING, ScriptedServer
from visitor import Visitor

New = Callable[..., Visitor]
HEADINGS = ("Calla:", "Please read this first:", "Get help now:", "Please talk to someone now:")
GOLDEN = Path(__file__).parent / "conversation.aria.yml"
# Keep what is added to the live regions, in the order in which it is added.
LISTEN = """() => {
  const root = document.querySelector('#calla-widget').shadowRoot;
  window.heard = [];
  for (const region of root.querySelectorAll('[aria-live=polite], [aria-live=assertive]')) {
    new MutationObserver((changes) => {
      const added = changes.flatMap((change) => [...change.addedNodes]);
      for (const node of added) heard.push([region.ariaLive, node.textContent]);
    }).observe(region, {childList: true});
  }
}"""


def listens(visitor: Visitor) -> Visitor:
    """Open the chat with a screen reader on, once the welcome has been read."""
    visitor.opens()
    visitor.page.locator(".polite p", has_text="Hello").wait_for(state="attached")
    visitor.page.evaluate(LISTEN)
    return visitor


def heard(visitor: Visitor, last: str) -> list[tuple[str, str]]:
    """Return which messages have been read out, states left out, as soon as ``last`` is among it."""
    visitor.page.wait_for_function("last => heard.some(([, text]) => text.includes(last))", arg=last)
    lines = [(str(level), str(text)) for level, text in visitor.page.evaluate("heard")]
    return [(level, text) for level, text in lines if text.startswith(HEADINGS)]


@pytest.mark.parametrize("again", range(4))
def test_the_referral_is_read_first_and_interrupts(meet: New, scripted: ScriptedServer, again: int) -> None:
    scripted.script["both"] = [FINDING, ANSWER]
    visitor = listens(meet())
    visitor.types("both")
    lines = heard(visitor, "menaquinone-7")
    assert [level for level, _ in lines] == ["assertive", "polite"]
    assert lines[0][1].startswith("Please read this first:")
    assert "Call Northside Breast Clinic on 555 0100" in lines[0][1]


def test_also_where_it_came_second(meet: New, scripted: ScriptedServer) -> None:
    scripted.script["both"] = [ANSWER, FINDING]
    visitor = listens(meet())
    visitor.types("both")
    assert heard(visitor, "menaquinone-7")[0][1].startswith("Please read this first:")


def test_two_referrals_do_not_interrupt_each_other(meet: New, scripted: ScriptedServer) -> None:
    scripted.script["all"] = [EMERGENCY, CRISIS, ANSWER]
    visitor = listens(meet())
    visitor.types("all")
    lines = heard(visitor, "menaquinone-7")
    assert [text.split(":")[0] for _, text in lines] == ["Get help now", "Please talk to someone now", "Calla"]
    assert [level for level, _ in lines] == ["assertive", "polite", "polite"]


def test_answers_are_read_in_the_order_of_the_questions(meet: New, scripted: ScriptedServer) -> None:
    scripted.script.update({"one": [ANSWER], "two": [FINDING], "three": ["utter_out_of_scope"]})
    release = scripted.hold("one")
    visitor = listens(meet())
    for text in ("one", "two", "three"):
        visitor.types(text)
    release()
    lines = heard(visitor, "can't help with that one")
    assert [level for level, _ in lines].count("assertive") == 1
    answers = [text for level, text in lines if level == "polite"]
    assert ["menaquinone-7" in answers[0], "can't help" in answers[1]] == [True, True]


def test_states_are_told(meet: New, scripted: ScriptedServer) -> None:
    release = scripted.hold("slow")
    visitor = listens(meet())
    visitor.types("slow")
    for state in ("Sent", "Calla is writing", "This is taking longer than usual"):
        visitor.page.wait_for_function("s => heard.some(([, text]) => text.includes(s))", arg=state)
    release()
    heard(visitor, "menaquinone-7")
    visitor.context.set_offline(True)
    visitor.types("what is mk-4?")
    visitor.page.wait_for_function("() => heard.some(([, text]) => text.includes('Waiting for the connection'))")
    visitor.context.set_offline(False)
    visitor.waits_for(3)


def test_buttons_that_come_again_have_names_of_their_own(meet: New, scripted: ScriptedServer) -> None:
    scripted.script["both"] = [FINDING, ANSWER]
    visitor = meet().opens()
    visitor.asks("both", answers=2)
    visitor.asks("what is mk-7?")
    visitor.asks("both", answers=2)
    names = visitor.page.evaluate(
        """() => [...document.querySelector('#calla-widget').shadowRoot.querySelectorAll('.tool, .replies')]
          .map((one) => one.getAttribute('aria-label'))"""
    )
    assert len(names) > 12
    assert len(names) == len(set(names))
    assert any(re.search(r"^Copy this answer: What is MK-7\?", name) for name in names)


def test_long_and_failed_messages_have_buttons_with_names_of_their_own(meet: New) -> None:
    visitor = meet().opens()
    refusal = {"ok": False, "error": "bad_request"}
    visitor.page.route_web_socket("**/socket.io/**", lambda socket: socket.close())
    visitor.page.route("**/socket.io/**", lambda route: route.abort())
    visitor.page.route("**/chat/message", lambda route: route.fulfill(status=400, json=refusal))
    visitor.page.reload()
    visitor.ready()
    for start in ("one", "two"):
        visitor.types(f"{start} " + "is a long story " * 20)
    for name in ("Show all: ", "Try again: "):
        for start in ("one", "two"):
            expect(visitor.page.get_by_role("button", name=f"{name}{start} is a long story is")).to_have_count(1)
    visitor.page.get_by_role("button", name="Show all: one").click()
    expect(visitor.page.get_by_role("button", name="Show less: one")).to_have_attribute("aria-expanded", "true")
    visitor.page.unroute_all()
    visitor.page.get_by_role("button", name="Try again: two").click()
    visitor.waits_for(2)


def test_a_person_is_told_from_the_program(meet: New, scripted: ScriptedServer) -> None:
    answer = {"text": "I am back on Monday.", "utter_action": "utter_person", "metadata": {}}
    answer["metadata"] = {"body": answer["text"], "person": "Kim, breast care nurse"}
    scripted.script["is anybody there?"] = [answer]
    visitor = listens(meet(locale="en-GB"))
    visitor.asks("is anybody there?")
    message = visitor.page.locator(".turn:last-child .answer")
    expect(message.get_by_role("heading")).to_have_text(re.compile("^A person: Kim, breast care nurse"))
    visitor.comes_to_see(".person-heading")
    # What the message begins with is said, not shown twice.
    expect(message.locator(".person-heading > .hidden")).to_have_text(": I am back on Monday.")
    expect(message.locator("time")).to_have_text(re.compile(r"^\d\d:\d\d$"))
    # Nobody rates a person, and "Calla" did not say it.
    expect(message.get_by_role("button", name="This answer helped")).to_have_count(0)
    visitor.page.wait_for_function(
        "() => heard.some(([, text]) => text.startsWith('A person: Kim, breast care nurse'))"
    )
    with visitor.page.expect_download() as download:
        visitor.chooses("Save the conversation")
    assert "Kim, breast care nurse (" in download.value.path().read_text(encoding="utf-8")


def test_messages_are_articles_and_a_referral_is_a_region(meet: New, scripted: ScriptedServer) -> None:
    scripted.script["both"] = [FINDING, ANSWER]
    visitor = meet().opens()
    visitor.asks("both", answers=2)
    page = visitor.page
    expect(page.get_by_role("article")).to_have_count(4)
    expect(page.get_by_role("region", name=re.compile("^Please read this first"))).to_have_count(1)
    expect(page.get_by_role("heading", level=3)).to_have_count(4)
    expect(page.get_by_role("heading", name=re.compile("^Calla: What is MK-7"))).to_have_count(1)


def test_the_tree_of_a_conversation_is_the_known_one(meet: New, scripted: ScriptedServer) -> None:
    contact = {"label": "the clinic on 555 0100", "kind": "tel", "value": "5550100"}
    source = {"organisation": "An organisation", "title": "A page", "url": "https://example.org/"}
    parts = {"title": "A question?", "evidence": {"label": "limited", "text": "Evidence: limited. Not proven."}}
    owed = {"body": "Please call the clinic.\nToday.", "kind": "urgent", "contacts": [contact]}
    answer = {"body": "One.\n\n- a point", "sources": [source], "reviewed": "2026-11-22", **parts}
    scripted.script["a question"] = [
        {"utter_action": FINDING, "metadata": owed},
        {"utter_action": ANSWER, "metadata": answer, "buttons": [{"title": "Next?"}]},
    ]
    visitor = meet(locale="en-GB")

    def known(route: Route) -> None:
        reply = route.fetch()
        body = reply.json()
        body["welcome"].update(text="Hello.", buttons=["First?"])
        route.fulfill(response=reply, json=body)

    visitor.page.route("**/chat/session", known)
    visitor.opens()
    visitor.asks("a question", answers=2)
    expect(visitor.page.locator(".delivery")).to_be_hidden()
    # What has just been read out follows the last button and goes by itself.
    tree = re.sub(r"\d{1,2}:\d{2}", "12:00", visitor.panel.aria_snapshot())
    tree = re.sub(r'(button "Send")\n.*', r"\1", tree, flags=re.DOTALL) + "\n"
    out = Path(__file__).parent / "out" / GOLDEN.name
    out.parent.mkdir(exist_ok=True)
    out.write_text(tree)
    assert tree == GOLDEN.read_text(), f"If the change is wanted, copy {out} over {GOLDEN}."
