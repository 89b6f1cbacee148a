"""Opening hours: when the operator says that somebody is there."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Optional
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_ENTRY = re.compile(r"([A-Z][a-z]{2})(?:-([A-Z][a-z]{2}))? (\d\d):(\d\d)-(\d\d):(\d\d)")
_DAY_MINUTES = 24 * 60


class HoursError(ValueError):
    """Opening hours or a time zone that cannot be read; the message says what is wrong."""


class OpeningHours:
    """Opening hours of a week, in one time zone.

    Args:
        text: such as ``Mon-Fri 09:00-17:00; Sat 10:00-12:00``; empty: not known.
        zone: name of the time zone, such as ``Europe/London``.

    Raises:
        HoursError: if either cannot be read.
    """

    def __init__(self, text: str = "", zone: str = "UTC") -> None:
        try:
            self._zone = ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise HoursError(f"{zone!r} is no time zone such as Europe/London") from None
        self.known = bool(text.strip())
        self.text = f"{'; '.join(part.strip() for part in text.split(';') if part.strip())} ({zone})"
        self._week: list[list[tuple[int, int]]] = [[] for _ in DAYS]
        for part in text.split(";"):
            if part.strip():
                self._add(part.strip())

    def _add(self, part: str) -> None:
        match = _ENTRY.fullmatch(part)
        if match is None or match[1] not in DAYS or (match[2] or match[1]) not in DAYS:
            raise HoursError(f"{part!r} is not like 'Mon-Fri 09:00-17:00'")
        opens, closes = int(match[3]) * 60 + int(match[4]), int(match[5]) * 60 + int(match[6])
        if not opens < closes <= _DAY_MINUTES or int(match[4]) > 59 or int(match[6]) > 59:
            raise HoursError(f"{part!r} does not end after it begins, on the same day")
        first, last = DAYS.index(match[1]), DAYS.index(match[2] or match[1])
        for day in range(first, (last if last >= first else last + 7) + 1):
            self._week[day % 7].append((opens, closes))
            self._week[day % 7].sort()

    def closes_at(self, now: datetime) -> Optional[str]:
        """Return until when it is open, as a clock shows it; ``None`` if it is closed, or not known."""
        local = now.astimezone(self._zone)
        minute = local.hour * 60 + local.minute
        ends = [closes for opens, closes in self._week[local.weekday()] if opens <= minute < closes]
        return f"{max(ends) // 60:02}:{max(ends) % 60:02} ({self._zone.key})" if ends else None

    def is_closed(self, now: datetime) -> bool:
        """Say whether it is certain that nobody is there."""
        return self.known and self.closes_at(now) is None

    def next_opening(self, now: datetime) -> str:
        """Return when it opens next, such as ``Monday, 09:00``; empty if it never does."""
        local = now.astimezone(self._zone)
        minute = local.hour * 60 + local.minute
        for ahead in range(8):
            day = local + timedelta(days=ahead)
            for opens, _ in self._week[day.weekday()]:
                if ahead or opens > minute:
                    return f"{day:%A}, {opens // 60:02}:{opens % 60:02} ({self._zone.key})"
        return ""
