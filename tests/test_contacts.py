"""Contacts that the operator wrote as phrases become numbers and links for one tap."""

from __future__ import annotations

import pytest

from calla.contacts import ORDER, contact_links
from calla.settings import Settings


@pytest.mark.parametrize(
    "phrase, kind, value",
    [
        ("999", "tel", "999"),
        ("Northside Breast Clinic on 555 0100", "tel", "5550100"),
        ("the clinic at 12 Elm Street, (555) 010-0199", "tel", "5550100199"),
        ("116 123 (24 hours, 7 days)", "tel", "116123"),
        ("+44 20 7946 0000", "tel", "+442079460000"),
        ("a helpline, 0800 00 11 22, open 24/7", "tel", "0800001122"),
        ("the chat of a helpline (https://help.example.org/chat).", "https", "https://help.example.org/chat"),
    ],
)
def test_a_phrase_with_a_number_or_an_address_can_be_tapped(phrase: str, kind: str, value: str) -> None:
    assert contact_links(["crisis_line"], {"crisis_line": phrase}) == [{"label": phrase, "kind": kind, "value": value}]


@pytest.mark.parametrize("phrase", ["", "the breast clinic, room 12", "http://not-safe.example.org", "javascript:1"])
def test_a_phrase_without_either_is_no_button(phrase: str) -> None:
    assert contact_links(["crisis_line"], {"crisis_line": phrase}) == []


def test_contacts_come_in_the_order_of_the_text_and_once() -> None:
    contacts = {"crisis_line": "116 123", "emergency_number": "112"}
    links = contact_links(["crisis_line", "emergency_number", "crisis_line"], contacts)
    assert [link["value"] for link in links] == ["116123", "112"]


def test_every_contact_of_the_settings_has_its_place() -> None:
    assert set(Settings.construct(**dict.fromkeys(ORDER, "112")).contacts) == set(ORDER)
