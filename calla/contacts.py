"""From the operator's contacts, which are phrases to be read, to numbers and links for one tap."""

from __future__ import annotations

import re
from typing import Iterable, Mapping

# Whom to offer first where all contacts are shown.
ORDER = (
    "emergency_number",
    "breast_clinic_contact",
    "urgent_care_line",
    "crisis_line",
    "cancer_helpline",
    "poison_centre",
)
_LINK = re.compile(r"https://[^\s<>\"']+[^\s<>\"'.,;:)]")
_NUMBER = re.compile(r"\+?(?:\(\d+\)[ -]?)?\d+(?:[ .-]\d+)*")
# "12 Elm Street" and "24 hours" are no telephone numbers.
_DIGITS = 3


def contact_links(names: Iterable[str], contacts: Mapping[str, str]) -> list[dict[str, str]]:
    """Return what can be called or opened among contacts.

    Args:
        names: names of contacts, the most important first.
        contacts: the operator's phrases, such as ``Northside Breast Clinic on 555 0100``.

    Returns:
        ``{"label", "kind", "value"}`` for each: the phrase, ``tel`` or ``https``, and the
        number or the address. Contacts without either are left out.
    """
    found: list[dict[str, str]] = []
    for name in dict.fromkeys(names):
        phrase = contacts.get(name, "")
        link = _LINK.search(phrase)
        numbers = [n for n in _NUMBER.findall(phrase) if sum(c.isdigit() for c in n) >= _DIGITS]
        if numbers:
            found.append({"label": phrase, "kind": "tel", "value": re.sub(r"[^\d+]", "", numbers[-1])})
        elif link:
            found.append({"label": phrase, "kind": "https", "value": link.group()})
    return found
