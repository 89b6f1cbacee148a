"""Details in the catalogue and in what a person reads: names, inheritance, sources, buttons, preview."""

from __future__ import annotations

from typing import Any

import pytest

from calla.answers import MAX_BUTTONS, CallaNaturalLanguageGenerator
from calla.catalogue import Catalogue
from calla.content.files import ROOT
from calla.content.preview import Preview
from calla.content.sources import UnknownSourceError, table


def _response(title: str, text: str = "A text.", **metadata: Any) -> list[dict[str, Any]]:
    return [{"text": text, "metadata": {"title": title, **metadata}}]


RESPONSES: dict[str, list[dict[str, Any]]] = {
    # Before its topic, as files may be merged in any order.
    "utter_faq/natto.taste": _response("How does natto taste?", evidence="general", sources=["ODS-K-C"]),
    "utter_faq/natto": _response(
        "What is natto?", subject="natto", aspect="foods", referral="soft", referral_to="medicines", related=["tempeh"]
    ),
    "utter_faq/natto.smell": _response("Why does natto smell?", aspect="experience", referral="always"),
    "utter_faq/natto.price": _response("What does natto cost?", referral="always", referral_to="word"),
    "utter_faq/natto.shops": _response("Where do I buy natto?", related=["tempeh", "natto.price"]),
    "utter_faq/tempeh": _response("What is tempeh?", referral="always"),
    "utter_faq/tempeh.soy": _response("Is tempeh soy?", referral="always"),
    "utter_chat/sources": _response("Where do the answers come from?"),
    "utter_chat/sources.age": _response("How old are the sources?"),
    "utter_referral/word": _response("A word", kind="planned"),
    "utter_referral_short/word": [{"text": "Once more.", "metadata": {"kind": "planned"}}],
    "utter_sources_line": [{"text": "Sources:"}],
    "utter_evidence/general": [{"text": "General information."}],
    "utter_did_you_mean": [{"text": "Is it one of these?"}],
    "utter_something_else": _response("Something else"),
}


def _nlg() -> CallaNaturalLanguageGenerator:
    nlg = CallaNaturalLanguageGenerator()
    nlg.responses = RESPONSES
    return nlg


def _titles(name: str, candidates: list[str] | None = None) -> list[str]:
    message = _nlg().render(name, candidates=candidates)
    assert message is not None
    return [button["title"] for button in message.get("buttons", ())]


def test_topics_are_overviews_and_details_stand_beside_them() -> None:
    catalogue = Catalogue(RESPONSES)
    assert list(catalogue.topics) == ["natto", "tempeh", "sources", "word"]
    assert [detail.id for detail in catalogue.of_topic("natto")] == [
        "natto.taste",
        "natto.smell",
        "natto.price",
        "natto.shops",
    ]
    assert [detail.topic_id for detail in catalogue.of_topic("sources")] == ["sources"]
    assert catalogue.of_topic("word") == []


@pytest.mark.parametrize("id", ["natto", "natto.taste", "natto.price", "tempeh.soy"])
def test_an_answer_is_found_by_each_of_its_names(id: str) -> None:
    catalogue = Catalogue(RESPONSES)
    found = catalogue.find(id)
    assert found is not None and found.id == id
    assert found.intent == f"faq/{id}" and found.response == f"utter_faq/{id}"
    assert catalogue.by_intent(found.intent) is found
    assert catalogue.by_response(found.response) is found
    assert catalogue.by_title(found.title.upper() + " ") is found


def test_what_does_not_exist_is_not_found() -> None:
    catalogue = Catalogue(RESPONSES)
    assert catalogue.by_intent("out_of_scope") is None
    assert catalogue.by_intent("faq/natto.colour") is None
    assert catalogue.by_title("natto") is None


def test_a_detail_inherits_what_it_does_not_say() -> None:
    details = Catalogue(RESPONSES).details
    assert [details["natto.taste"].subject, details["natto.taste"].aspect] == ["natto", "foods"]
    assert details["natto.smell"].aspect == "experience"
    assert details["natto.smell"].referral_to == "medicines"
    assert details["natto.price"].referral_to == "word"
    assert details["natto.taste"].referral == "none" and details["natto.taste"].referral_to is None
    assert details["tempeh.soy"].referral_to == "appointment"
    assert Catalogue(RESPONSES).topics["natto"].parent is None


def test_sources_are_read_from_the_table() -> None:
    message = _nlg().render("utter_faq/natto.taste")
    assert message is not None
    (source,) = message["metadata"]["sources"]
    entry = table()["ODS-K-C"]
    assert source == {name: entry[name] for name in ("organisation", "title", "url")}
    assert message["text"].endswith(f"Sources: {entry['organisation']}, {entry['title']}: {entry['url']}")


def test_a_key_that_is_not_in_the_table_is_a_clear_error() -> None:
    with pytest.raises(UnknownSourceError, match=r"'ODS-KC' is not in data/sources.yml; did you mean 'ODS-K-C'"):
        Catalogue({"utter_faq/natto": _response("What is natto?", sources=["ODS-KC"])})


def test_what_may_have_been_meant_comes_before_what_is_related() -> None:
    assert _titles("utter_faq/natto.shops", ["natto.smell", "tempeh"]) == [
        "Why does natto smell?",
        "What is tempeh?",
        "What does natto cost?",
    ]


def test_an_overview_offers_what_the_editor_named_and_then_its_details() -> None:
    assert _titles("utter_faq/natto") == ["What is tempeh?", "How does natto taste?", "Why does natto smell?"]
    assert _titles("utter_chat/sources") == ["How old are the sources?"]


def test_a_detail_offers_its_neighbours() -> None:
    assert _titles("utter_faq/natto.smell") == [
        "What does natto cost?",
        "Where do I buy natto?",
        "How does natto taste?",
    ]
    assert len(_titles("utter_faq/natto.taste", ["natto.taste", "natto", "tempeh", "tempeh.soy"])) == MAX_BUTTONS


def test_an_answer_never_offers_itself() -> None:
    assert "Is tempeh soy?" not in _titles("utter_faq/tempeh.soy", ["tempeh.soy"])


def test_a_clarification_offers_details_too() -> None:
    assert _titles("utter_did_you_mean", ["natto.taste", "tempeh"]) == [
        "How does natto taste?",
        "What is tempeh?",
        "Something else",
    ]


def test_a_short_referral_keeps_its_kind() -> None:
    message = _nlg().render("utter_referral_short/word")
    assert message is not None and message["metadata"]["kind"] == "planned"


def test_every_answer_of_the_project_can_be_shown() -> None:
    """Each topic and detail renders, with its sources, and its buttons ask something else."""
    preview = Preview()
    for topic in preview.catalogue.topics:
        for answer, messages in preview.shown(topic):
            body = messages[-1]
            assert body["metadata"]["body"], answer.id
            assert len(messages) == 1 + (answer.referral == "always" and answer.group != "referral"), answer.id
            assert answer.title not in [button["title"] for button in body.get("buttons", ())]
            if answer.group == "faq":
                assert body["metadata"]["sources"] and body["metadata"]["evidence"]["text"], answer.id


def test_the_preview_shows_referral_answer_label_sources_and_buttons() -> None:
    """An editor sees in the terminal and on the page what a person will read."""
    preview = Preview(ROOT)
    topic = next(t for t in preview.catalogue.topics.values() if t.referral == "always" and t.group == "faq")
    referral, answer = next(messages for shown, messages in preview.shown(topic.id) if shown == topic)
    for page in (preview.as_text(topic.id), preview.as_page(topic.id)):
        said = page.replace("&#x27;", "'").replace("&quot;", '"').replace("&amp;", "&")
        for part in (
            referral["metadata"]["body"].split("\n")[0][:40],
            answer["metadata"]["body"][:40],
            answer["metadata"]["evidence"]["text"],
            answer["metadata"]["sources"][0]["organisation"],
            answer["buttons"][0]["title"],
        ):
            assert part in said
