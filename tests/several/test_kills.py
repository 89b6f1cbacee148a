"""Each part is killed (kill -9) while people write: nothing is lost or doubled, order is kept, referrals come."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest

from tests.several.house import FINDING, House, Person, http, settled

pytestmark = pytest.mark.drill
TEXTS = ["what is mk-7", FINDING, "what is vitamin k2", "my nipple is bleeding", "are calcifications cancer"] * 2
PEOPLE = 8
# Seconds for a referral while a process or nginx is killed: what it was answering begins anew elsewhere.
LONGEST = 8.0


@pytest.fixture(scope="module")
def house(model: None, action_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    settings = {"CALLA_SESSIONS_PER_HOUR": "6000"}
    with House(tmp_path_factory.mktemp("kills"), action_server, **settings) as running:
        yield running


async def converse(house: House, person: Person, waits: list[float], begun: asyncio.Event) -> list[list[str]]:
    answers = []
    for number, text in enumerate(TEXTS):
        if number == 3:
            begun.set()
        answers.append(await person.insist(house.nginx.url, f"{text} ({number})"))
        if answers[-1][0].startswith("utter_referral"):
            assert person.to_referral is not None
            waits.append(person.to_referral)
    return answers


def kill_and_start(house: House, victim: str) -> None:
    part = getattr(house, victim)
    part.kill()
    time.sleep(1.0)
    part.start()


def change(house: House, _: str) -> None:
    """Restart one process after the other in order, as deploy/change.sh does."""
    for server in (house.one, house.other):
        server.stop()
        server.start()


@pytest.mark.asyncio
@pytest.mark.parametrize("victim", ["one", "other", "redis", "postgresql", "nginx", "a change"])
async def test_in_the_middle_of_conversations(house: House, victim: str, capsys: pytest.CaptureFixture[str]) -> None:
    fault = change if victim == "a change" else kill_and_start
    waits: list[float] = []
    begun = asyncio.Event()
    async with http() as client:
        people = [await Person(client).begin(house.nginx.url) for _ in range(PEOPLE)]
        talking = [asyncio.ensure_future(converse(house, person, waits, begun)) for person in people]
        await begun.wait()
        await asyncio.get_running_loop().run_in_executor(None, fault, house, victim)
        answers = await asyncio.gather(*talking)
        await settled(house)
        for person, own in zip(people, answers, strict=True):
            said = house.stored(person.sender)
            assert [text for who, text in said if who == "user"] == [f"{t} ({n})" for n, t in enumerate(TEXTS)]
            for number, names in enumerate(own):
                finding = number % 5 in (1, 3)
                assert names[0].startswith("utter_referral") == finding, (number, names)
                assert len(set(names)) == len(names), names
    with capsys.disabled():
        half, most = sorted(waits)[len(waits) // 2], max(waits)
        print(f"\n{victim}: {len(waits)} referrals, p50 {half:.2f} s, max {most:.2f} s")  # noqa: T201
    assert max(waits) < LONGEST
