"""From outside: the real server, as an operator starts it, while Slack fails in each of its ways."""

from __future__ import annotations

import itertools
import signal
from typing import Any, Iterator

import pytest
from fake_slack import APP_TOKEN, FakeSlack
from slack_world import CallaServer, Workspace
from test_slack_outbox import TRANSIENT

QUESTION, ANSWER = "What are breast calcifications?", "utter_faq/what_are_breast_calcifications"
CRISIS, CRISIS_TEXT = "I want to end my life", "utter_referral/emotional_crisis"
FINDING = "My report says BI-RADS 4. Also, what is vitamin K2?"
# Also what Slack has taken without anybody hearing so; the value is what comes instead of an answer.
WAYS = [*TRANSIENT, *(("accepted", value) for value in (None, 200, 500, 502, 504))]
PACE = 1.0


@pytest.fixture(scope="module")
def slack() -> Iterator[FakeSlack]:
    """A Slack of this module's own, which takes one message a second in a channel, as Slack does."""
    fake = FakeSlack()
    fake.pace = PACE
    yield fake
    fake.stop()


@pytest.fixture(scope="module")
def own(model: None, slack: FakeSlack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CallaServer]:
    """A server in Socket Mode alone, as the guide recommends."""
    with CallaServer(tmp_path_factory.mktemp("outside"), slack, SLACK_SIGNING_SECRET="") as running:
        yield running


class OnSocket(Workspace):
    """People whose messages come over the socket."""

    def tells(self, event: dict[str, Any]) -> None:
        """Deliver an event and wait until it is acknowledged."""
        self.fake.wait(lambda: self.fake.sockets, 60)
        self.fake.wait_ack(self.fake.send_envelope("events_api", self.event(event)))

    def until_nothing_waits(self) -> None:
        """Wait until Slack has taken everything."""
        self.until(lambda: self.server.health()["slack"]["messages_waiting"] == 0)

    def settled_on_socket(self) -> None:
        """Wait until everything before is dealt with: a question asked now is answered."""
        user, channel = self.dm()
        self.tells(self.message(user, channel, "hello"))
        self.fake.wait_posts(channel)

    def said(self, *places: str) -> list[str]:
        """The named responses that stand in some places for good, in order."""
        posts = (call for place in places for call in self.fake.posts(place, "chat.postMessage"))
        return [name for call in posts for name in call.names]


@pytest.fixture(scope="module")
def team(own: CallaServer, slack: FakeSlack) -> OnSocket:
    """The people."""
    return OnSocket(own, slack)


@pytest.fixture(scope="module")
def whole(own: CallaServer) -> list[str]:
    """What is said to a finding with a question beside it while nothing fails."""
    own.ask(FINDING, "undisturbed")
    return own.said("undisturbed")


def test_in_each_way_in_which_slack_fails_everything_arrives_once_and_the_referral_first(
    team: OnSocket, slack: FakeSlack, whole: list[str]
) -> None:
    people = []
    for kind, value in WAYS:
        user, channel = team.dm()
        slack.trouble("chat.postMessage", kind, value, about=channel, times=1 if kind == "accepted" else 2)
        team.tells(team.message(user, channel, FINDING))
        people.append((channel, kind, value))
    for channel, _, _ in people:
        slack.wait_posts(channel, len(whole), 60)
    team.until_nothing_waits()
    assert whole[0].startswith("utter_referral/") and len(whole) > 1
    assert [(kind, value) for channel, kind, value in people if team.said(channel) != whole] == []


def test_in_each_way_in_which_slack_fails_a_crisis_leaves_a_message_that_lasts(
    team: OnSocket, slack: FakeSlack
) -> None:
    asked = []
    for number, (kind, value) in enumerate(WAYS):
        user, room = team.person(), team.channel("G" if number % 3 == 2 else "C")
        slack.trouble("chat.postMessage", kind, value, about=user)
        extra = {"thread_ts": slack.now()} if number % 3 == 1 else {}
        team.tells(team.mention(user, room, CRISIS, **extra))
        asked.append((user, room, kind, value))
    for user, room, _, _ in asked:
        slack.wait_posts(user, 1, 60)
        slack.wait(lambda room=room: slack.posts(room, "chat.postEphemeral"), 60)
    team.until_nothing_waits()
    # In the channel stands nothing for others; the person's own note points to what lasts.
    assert [one for one in asked if team.said(one[0]) != [CRISIS_TEXT] or team.said(one[1])] == []
    notes = [call.names for _, room, _, _ in asked for call in slack.posts(room, "chat.postEphemeral")]
    assert notes == [["utter_slack/answered_privately"]] * len(asked)


def test_slack_takes_one_message_a_second(team: OnSocket, slack: FakeSlack, whole: list[str]) -> None:
    user, channel = team.dm()
    for text in (QUESTION, "tell me more", FINDING):
        team.tells(team.message(user, channel, text))
    posts = slack.wait_posts(channel, 2 + len(whole), 60)
    assert all(later.time - earlier.time >= PACE for earlier, later in itertools.pairwise(posts))
    said = team.said(channel)
    # The referral overtakes what waits; the rest stays in order.
    assert said.index("utter_referral/suspicious_finding") < 2
    assert [name for name in said if name in (ANSWER, "utter_more_about")] == [ANSWER, "utter_more_about"]


def test_a_token_that_is_revoked_and_repaired_costs_no_message(team: OnSocket, slack: FakeSlack) -> None:
    team.until_nothing_waits()
    (user, channel), asker, room = team.dm(), team.person(), team.channel()
    slack.revoked = "token_revoked"
    team.tells(team.message(user, channel, QUESTION))
    team.tells(team.mention(asker, room, CRISIS))

    def shown() -> bool:
        known = team.server.health()["slack"]
        return bool(known["token"] == "token_revoked" and known["referrals_waiting"] == 1)

    team.until(shown)
    assert team.said(channel, asker, room) == []
    slack.revoked = ""
    slack.wait_posts(channel, 1, 60)
    slack.wait_posts(asker, 1, 60)
    team.until(lambda: team.server.health()["slack"]["token"] == "ok")
    team.until_nothing_waits()
    assert team.said(channel, asker) == [ANSWER, CRISIS_TEXT]


def test_among_others_the_real_calla_keeps_out_of_what_is_not_its_field(team: OnSocket, slack: FakeSlack) -> None:
    user, room = team.person(), team.channel()
    first = team.mention(user, room, QUESTION)
    team.tells(first)
    slack.wait_posts(room)
    for text in ("thanks!", "who won the football last night?", "hello", "Bonjour tout le monde, comment ça va ?"):
        team.tells(team.message(user, room, text, thread_ts=first["ts"]))
    team.tells(team.message(user, room, "<@U0OTHER> what is BI-RADS?", thread_ts=first["ts"]))
    team.tells(team.message(user, room, "what is BI-RADS?", thread_ts=first["ts"]))
    slack.wait_posts(room, 2)
    team.tells(team.message(user, room, "stop", thread_ts=first["ts"]))
    team.tells(team.message(user, room, "what is vitamin K2?", thread_ts=first["ts"]))
    slack.wait_posts(room, 3)
    team.until_nothing_waits()
    team.settled_on_socket()
    assert team.said(room) == [ANSWER, "utter_faq/what_is_birads", "utter_slack/stopped"]


def test_killed_in_an_outage_everything_arrives_after_both(team: OnSocket, slack: FakeSlack, whole: list[str]) -> None:
    people = [team.dm() for _ in range(6)]
    for user, channel in people:
        slack.trouble("chat.postMessage", "status", 502, about=channel, times=100)
        team.tells(team.message(user, channel, FINDING))
    slack.wait(lambda: all(refused(slack, channel) for _, channel in people), 60)
    team.server.stop(signal.SIGKILL)
    slack._troubles.clear()
    team.server.start()
    for _, channel in people:
        slack.wait_posts(channel, len(whole), 60)
    team.until_nothing_waits()
    assert [channel for _, channel in people if team.said(channel) != whole] == []


def refused(slack: FakeSlack, channel: str) -> bool:
    """Whether Slack has failed a message to a channel."""
    return any(call.error and call.args.get("channel") == channel for call in slack.calls)


def test_a_socket_that_falls_silent_is_replaced(team: OnSocket, slack: FakeSlack) -> None:
    def well() -> bool:
        return bool(slack.sockets and team.server.health()["slack"]["socket"] == "ok")

    team.until(well)
    opened, silent = slack.opened, slack.sockets[-1]
    slack.silent = True
    slack.wait(lambda: slack.opened > opened, 120)
    slack.silent = False
    slack.wait(lambda: silent not in slack.sockets and slack.sockets, 60)
    team.until(well)
    user, channel = team.dm()
    team.tells(team.message(user, channel, QUESTION))
    assert slack.wait_posts(channel, 1, 60)[0].names == [ANSWER]
    assert APP_TOKEN not in team.server.log.read_text()
