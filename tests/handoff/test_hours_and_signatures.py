"""Opening hours in their own time zone; signatures that can be neither forged nor sent again later."""

from __future__ import annotations

import time
from datetime import datetime, timezone

import pytest

from calla.handoff.hours import HoursError, OpeningHours
from calla.handoff.signing import TOLERANCE, is_signed, key_of, signed
from tests.handoff.fakes import SECRET

LONDON = OpeningHours("Mon-Fri 09:00-17:00; Sat 10:00-12:00", "Europe/London")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


@pytest.mark.parametrize(
    "moment, until",
    [
        # In July London is an hour ahead of UTC.
        ("2026-07-06T07:59", None),
        ("2026-07-06T08:00", "17:00 (Europe/London)"),
        ("2026-07-06T15:59", "17:00 (Europe/London)"),
        ("2026-07-06T16:00", None),
        ("2026-12-07T08:30", None),
        ("2026-12-07T09:00", "17:00 (Europe/London)"),
        ("2026-12-12T11:30", "12:00 (Europe/London)"),
        ("2026-12-13T11:30", None),
    ],
)
def test_open_by_the_clock_of_the_place(moment: str, until: str) -> None:
    assert LONDON.closes_at(utc(moment)) == until
    assert LONDON.is_closed(utc(moment)) == (until is None)


@pytest.mark.parametrize(
    "moment, opening",
    [
        ("2026-12-07T05:00", "Monday, 09:00 (Europe/London)"),
        ("2026-12-07T18:00", "Tuesday, 09:00 (Europe/London)"),
        ("2026-12-11T18:00", "Saturday, 10:00 (Europe/London)"),
        ("2026-12-12T13:00", "Monday, 09:00 (Europe/London)"),
    ],
)
def test_the_next_opening_is_named(moment: str, opening: str) -> None:
    assert LONDON.next_opening(utc(moment)) == opening


def test_unknown_hours_are_neither_open_nor_closed() -> None:
    hours = OpeningHours()
    assert not hours.known
    assert hours.closes_at(utc("2026-12-07T12:00")) is None
    assert not hours.is_closed(utc("2026-12-07T12:00"))


def test_days_may_run_over_the_end_of_the_week_and_until_midnight() -> None:
    hours = OpeningHours("Sat-Mon 20:00-24:00", "UTC")
    assert hours.closes_at(utc("2026-12-13T23:59")) == "24:00 (UTC)"
    assert hours.is_closed(utc("2026-12-15T21:00"))


@pytest.mark.parametrize(
    "text, zone",
    [
        ("9 to 5", "UTC"),
        ("Mon-Fry 09:00-17:00", "UTC"),
        ("Mon 17:00-09:00", "UTC"),
        ("Mon 09:00-25:00", "UTC"),
        ("Mon 09:70-10:00", "UTC"),
        ("Mon 09:00-17:00", "Mars/Olympus"),
        ("Mon 09:00-17:00", "../etc/passwd"),
    ],
)
def test_what_cannot_be_read_is_refused(text: str, zone: str) -> None:
    with pytest.raises(HoursError):
        OpeningHours(text, zone)


def test_a_signature_is_that_of_standard_webhooks() -> None:
    # The example of the specification's libraries.
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    headers = signed(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}', 1614265330)
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_signature_holds_for_its_body_its_id_its_secret_and_not_for_long() -> None:
    headers = signed(SECRET, "one", b"body")
    assert is_signed(SECRET, headers, b"body")
    assert not is_signed(SECRET, headers, b"another")
    assert not is_signed(SECRET, {**headers, "webhook-id": "two"}, b"body")
    assert not is_signed("another secret, also long enough", headers, b"body")
    assert not is_signed(SECRET, {}, b"body")
    assert not is_signed(SECRET, {**headers, "webhook-timestamp": "soon"}, b"body")
    for moment in (time.time() - TOLERANCE - 5, time.time() + TOLERANCE + 5):
        assert not is_signed(SECRET, signed(SECRET, "one", b"body", moment), b"body")
    two = f"v1,AAAA {headers['webhook-signature']}"
    assert is_signed(SECRET, {**headers, "webhook-signature": two}, b"body")


def test_a_secret_that_is_no_base64_is_taken_as_it_is() -> None:
    assert key_of("whsec_not base64!") == b"whsec_not base64!"
    assert key_of("plain words") == b"plain words"
