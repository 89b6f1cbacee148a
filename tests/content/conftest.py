"""A small project whose content is in order, for tests that break it."""

from __future__ import annotations

from pathlib import Path

import pytest

LINES = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
DOMAIN = """
responses:
  utter_evidence/general:
  - text: "General information."
  utter_evidence/limited:
  - text: "Evidence: limited."
  utter_sources_line:
  - text: "Sources:"
"""
SOURCES = """
sources:
  NIH-K:
    organisation: "NIH"
    title: "Vitamin K"
    url: https://example.org/k
    kind: government
  LEAFLET:
    organisation: "A clinic"
    title: "Leaflet"
    url: http://example.org/leaflet
    kind: hospital
    check: true
"""
CONTACTS = """
version: "3.1"
responses:
  utter_contact/breast_clinic_contact:
  - text: "the clinic that sent your report"
"""
REFERRALS = """version: "3.1"
responses:
  utter_referral/appointment:
  - text: |-
      Please keep your date. Call {breast_clinic_contact}.
    metadata:
      title: "Keep your appointment"
      kind: planned
      evidence: general
      referral: always
      sources: [NIH-K]
      reviewed: "2026-11-29"
  utter_referral_short/appointment:
  - text: |-
      Please keep your date.
    metadata:
      kind: planned
      evidence: general
      referral: always
      sources: [NIH-K]
      reviewed: "2026-11-29"
"""
MK7 = """version: "3.1"

nlu:
- intent: faq/what_is_mk7
  examples: |
{examples}
- intent: faq/what_is_mk7.made_of
  examples: |
{detail_examples}

responses:
  utter_faq/what_is_mk7:
  - text: |-
      MK-7 is a form of vitamin K2. It comes from some foods.
    metadata:
      title: "What is MK-7?"
      subject: "MK-7"
      aspect: definition
      evidence: limited
      referral: none
      sources: [NIH-K]
      reviewed: "2026-11-29"
      related: [what_is_mk4]
  utter_faq/what_is_mk7.made_of:
  - text: |-
      MK-7 is made by microbes. Ask a pharmacist about yours.
    metadata:
      title: "What is MK-7 made of?"
      evidence: general
      referral: soft
      sources: [NIH-K, LEAFLET]
      reviewed: "2026-11-29"
"""
MK4 = """version: "3.1"

nlu:
- intent: faq/what_is_mk4
  examples: |
{examples}

responses:
  utter_faq/what_is_mk4:
  - text: |-
      MK-4 is another form of vitamin K2.
    metadata:
      title: "What is MK-4?"
      subject: "MK-4"
      aspect: definition
      evidence: general
      referral: always
      referral_to: appointment
      sources: [NIH-K]
      reviewed: "2026-11-29"
      related: [what_is_mk7, what_is_mk7.made_of]
"""
OUT_OF_SCOPE = """version: "3.1"
nlu:
- intent: out_of_scope
  examples: |
{examples}
"""


def _examples(what: str, count: int) -> str:
    return "\n".join(
        f"    - {what} {LINES[number % 12]} {LINES[number // 12 % 12]} {number}" for number in range(count)
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A whole project of two topics, one with a detail; the checker finds nothing in it."""
    files = {
        "domain.yml": DOMAIN,
        "data/sources.yml": SOURCES,
        "data/safety/contacts.yml": CONTACTS,
        "data/safety/referrals.yml": REFERRALS,
        "data/topics/supplements/what_is_mk7.yml": MK7.format(
            examples=_examples("asked about mk7", 25), detail_examples=_examples("what is it made of", 12)
        ),
        "data/topics/supplements/what_is_mk4.yml": MK4.format(examples=_examples("asked about mk4", 25)),
        "data/topics/conversation/out_of_scope.yml": OUT_OF_SCOPE.format(examples=_examples("weather", 300)),
        "docs/content-review.md": "| key | source |\n|---|---|\n| LEAFLET | A clinic: Leaflet |\n",
        "tests/nlu/set.jsonl": '{"text": "A message of a test set"}\n{"turns": ["the first turn here", "and you"]}\n',
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path
