"""Connections break, servers stop: nothing is lost, nothing is doubled."""

from __future__ import annotations

from typing import Callable

from playwright.sync_api import WebSocketRoute, expect
from visitor import Visitor
from web_server import RealServer

New = Callable[..., Visitor]


def test_what_is_written_offline_is_sent_once_when_the_connection_is_back(visit: New) -> None:
    visitor = visit().opens()
    visitor.asks("what is mk-7?")
    # The answer may come before the word that the question was taken.
    expect(visitor.page.locator(".delivery:visible")).to_have_count(0)
    visitor.context.set_offline(True)
    expect(visitor.page.locator(".trouble")).to_contain_text("No connection")
    visitor.types("what is MK-4?")
    expect(visitor.page.locator(".delivery:visible")).to_contain_text("Waiting for the connection")
    visitor.context.set_offline(False)
    visitor.waits_for(3)
    assert visitor.said() == ["what is mk-7?", "what is MK-4?"]
    expect(visitor.page.locator(".delivery:visible")).to_have_count(0)


def test_a_killed_server_loses_and_doubles_nothing(visit: New, server: RealServer) -> None:
    visitor = visit().opens()
    visitor.asks("what is mk-7?")
    # Killed while it answers: whether the answer was stored, shown, both or neither, it
    # must be there once in the end.
    visitor.types("what is MK-4?")
    server.kill()
    expect(visitor.panel).to_have_attribute("data-state", "offline")
    visitor.types("what are macrocalcifications?")
    expect(visitor.page.locator(".delivery:visible").last).to_contain_text("Waiting for the connection")
    server.start()
    visitor.page.locator(".answer").nth(3).wait_for(timeout=60_000)
    expect(visitor.page.locator(".delivery:visible")).to_have_count(0)
    questions = ["what is mk-7?", "what is MK-4?", "what are macrocalcifications?"]
    assert visitor.said() == questions
    texts = visitor.messages()
    assert len(texts) == len(set(texts)) == 4
    visitor.page.reload()
    visitor.page.locator(".said").nth(2).wait_for()
    assert visitor.said() == questions
    assert sorted(visitor.messages()) == sorted(texts)


def test_a_message_that_waits_survives_a_reload(visit: New) -> None:
    visitor = visit().opens()
    visitor.page.route("**/chat/message", lambda route: route.abort())
    visitor.page.route("**/socket.io/**", lambda route: route.abort())
    visitor.page.route_web_socket("**/socket.io/**", lambda socket: socket.close())
    visitor.page.reload()
    visitor.ready()
    visitor.types("what is mk-7?")
    visitor.page.locator(".delivery:visible").wait_for()
    visitor.page.unroute_all()
    visitor.page.reload()
    visitor.page.locator(".answer").nth(1).wait_for()
    assert visitor.said() == ["what is mk-7?"]


def test_a_chat_that_cannot_be_loaded_says_so_and_loads_later(visit: New) -> None:
    visitor = visit()
    visitor.page.route("**/chat.js*", lambda route: route.abort())
    visitor.page.goto(visitor.url)
    visitor.launcher.click()
    expect(visitor.page.get_by_role("alert")).to_contain_text("does not load")
    expect(visitor.page.get_by_role("alert")).to_contain_text("Call your doctor or clinic")
    visitor.page.unroute_all()
    visitor.launcher.click()
    visitor.ready()


def test_an_expired_session_goes_on_as_a_new_one(visit: New) -> None:
    visitor = visit().opens()
    visitor.page.evaluate("""() => {
      const [key] = Object.entries(sessionStorage).find(([k]) => k.endsWith(':token'));
      sessionStorage.setItem(key, '"not.a.token"');
    }""")
    visitor.page.reload()
    visitor.ready()
    visitor.asks("what is mk-7?")
    assert visitor.said() == ["what is mk-7?"]


def test_what_is_said_right_after_erasing_is_answered(meet: New) -> None:
    """The new conversation is asked for while its connection is being made: it is made once."""
    visitor = meet()
    sent: list[str] = []
    held: list[Callable[[], None]] = []

    def relay(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        later = bool(sent)

        def from_server(message: str) -> None:
            if later and message.startswith("40"):
                held.append(lambda: socket.send(message))
            else:
                socket.send(message)

        def from_page(message: str) -> None:
            sent.append(message)
            server.send(message)

        socket.on_message(from_page)
        server.on_message(from_server)

    visitor.page.route_web_socket("**/socket.io/**", relay)
    visitor.opens()
    visitor.asks("what is mk-7?")
    before = len(sent)
    visitor.chooses("Start again")
    with visitor.page.expect_response("**/chat/session"):
        visitor.page.get_by_role("button", name="Erase", exact=True).click()
    visitor.ready()
    expect(visitor.panel).to_have_attribute("data-state", "ready")
    while not held:
        visitor.page.wait_for_timeout(20)
    held[0]()
    visitor.asks("and mk-4?")
    assert [one[:2] for one in sent[before:]].count("40") == 1
    assert visitor.said() == ["and mk-4?"]
