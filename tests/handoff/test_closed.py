"""Outside the opening hours, and where nobody can be asked at all."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from pathlib import Path

from tests.handoff.conftest import TEAM, server_with, webhook_settings
from tests.handoff.fakes import AGREE, WISH, FakeWebhook, Visitor
from tests.running import ServerProcess

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def test_outside_the_hours_it_is_said_when_somebody_is_there(model: None, inbox: FakeWebhook, tmp_path: Path) -> None:
    day = datetime.now(timezone.utc) + timedelta(days=3)
    hours = {"CALLA_HANDOFF_HOURS": f"{DAYS[day.weekday()]} 09:00-17:00", "CALLA_HANDOFF_TIME_ZONE": "UTC"}
    with server_with(tmp_path, **webhook_settings(inbox), **hours) as server:
        visitor = Visitor(server)
        (closed,) = visitor.says(WISH)
        assert closed["name"] == "utter_handoff/closed"
        assert TEAM in closed["text"] and f"{day:%A}, 09:00 (UTC)" in closed["text"]
        assert "buttons" not in closed
        # Nothing can be agreed to, by button or by word.
        for text in (AGREE, "yes"):
            assert "utter_handoff/waiting" not in visitor.names(text)
        assert visitor.status() is None and inbox.events == []
        assert server.health()["handoff"]["open_now"] is False


def test_where_it_is_off_nobody_reads_along_and_nothing_listens(
    model: None, inbox: FakeWebhook, tmp_path: Path
) -> None:
    with ServerProcess(tmp_path) as server:
        visitor = Visitor(server)
        (honest,) = visitor.says(WISH)
        assert honest["name"] == "utter_chat/human_handoff" and "no person reads this chat" in honest["text"]
        assert "utter_handoff/waiting" not in visitor.names(AGREE)
        assert visitor.sync()["handoff"] is None
        assert "handoff" not in server.health()
        for path in ("webhook", "chatwoot"):
            answer = visitor.session.post(f"{server.url}/handoff/{path}", json={}, timeout=10)
            assert answer.status_code == 404
        assert not re.search(r"^calla_handoffs_waiting", visitor.session.get(f"{server.url}/metrics").text, re.M)
