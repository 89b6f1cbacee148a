"""Where a message's time goes: the server with a stopwatch around each stage.

``python -m evaluation.bench.stages FILE`` is Calla's server, which writes into the file, when it
is ended, how often each stage ran and how many milliseconds it took by itself, what it
called apart.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import json
import sys
import time
from collections import Counter, defaultdict
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from pathlib import Path
from typing import Any, Callable, Iterator, Optional

# What each stage consists of: functions, the module before the colon.
STAGES: dict[str, tuple[str, ...]] = {
    "channel": ("sanic.app:Sanic.handle_request",),
    "guarantee around it": ("calla.agent:GuardedAgent.handle_message", "calla.agent:GuardedAgent._record"),
    "queue before understanding": ("calla.fair_pool:FairPool.run",),
    "screen": ("calla.nlu.reader:SafetyScreen.process", "calla.intake:owed"),
    "reading": ("calla.nlu.understanding:read",),
    "encoder": ("calla.understanding.encoder:Encoder.encode",),
    "scoring": (
        "calla.understanding.topic_model:TopicModel.score",
        "calla.understanding.urgency_model:UrgencyModel.score",
    ),
    "plan": ("calla.nlu.understanding:decide", "calla.nlu.understanding:Understanding.process"),
    "policies": (
        "calla.policies.referral:ReferralPolicy.predict_action_probabilities",
        "calla.policies.answer:AnswerPolicy.predict_action_probabilities",
    ),
    "actions": (
        "rasa.core.actions.action:ActionBotResponse.run",
        "rasa.core.actions.action:RemoteAction.run",
        "rasa.core.actions.action:ActionSessionStart.run",
        "rasa.core.actions.action:ActionListen.run",
    ),
    "action server, there and back": ("calla.action_endpoint:DeadlineEndpoint.request",),
    "store, reading": ("calla.store:ConversationStore.retrieve",),
    "store, writing": ("calla.store:ConversationStore.save",),
    "output": (
        "calla.answers:CallaNaturalLanguageGenerator.generate",
        "calla.agent:WatchedChannel.send_response",
    ),
    "Rasa: processor": ("rasa.core.processor:MessageProcessor.handle_message",),
    "Rasa: graph of understanding": ("rasa.core.processor:MessageProcessor._parse_message_with_graph",),
    "Rasa: graph of policies": ("rasa.core.processor:MessageProcessor._predict_next_with_tracker",),
    "Rasa: running actions": ("rasa.core.processor:MessageProcessor._run_action",),
    "Rasa: copies of the tracker": ("rasa.shared.core.trackers:DialogueStateTracker.copy",),
    "Rasa: state for the action server": ("rasa.core.actions.action:RemoteAction._action_call_format",),
}


class Stopwatch:
    """Adds up what stages take by themselves.

    Attributes:
        seconds: by stage.
        calls: by stage.
    """

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.calls: Counter[str] = Counter()
        # Seconds that the stages within the present one have taken.
        self._within: ContextVar[Optional[list[float]]] = ContextVar("within", default=None)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure a stage."""
        around, within = self._within.get(), [0.0]
        token, began = self._within.set(within), time.perf_counter()
        try:
            yield
        finally:
            took = time.perf_counter() - began
            self._within.reset(token)
            self.seconds[name] += took - within[0]
            self.calls[name] += 1
            if around is not None:
                around[0] += took

    def around(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function with a stopwatch around it."""
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def waited(*arguments: Any, **named: Any) -> Any:
                with self.stage(name):
                    return await function(*arguments, **named)

            return waited

        @functools.wraps(function)
        def called(*arguments: Any, **named: Any) -> Any:
            with self.stage(name):
                return function(*arguments, **named)

        return called

    def install(self) -> None:
        """Put stopwatches around all stages."""
        for name, functions in STAGES.items():
            for each in functions:
                owner, attribute = found(each)
                setattr(owner, attribute, self.around(name, getattr(owner, attribute)))
        self._follow_into_threads()

    def _follow_into_threads(self) -> None:
        """Let what runs in a thread for understanding know which stage it runs in."""
        from calla.fair_pool import FairPool

        run = FairPool.run

        async def followed(pool: Any, key: str, size: int, function: Callable[..., Any], *arguments: Any) -> Any:
            # Within the stage of the queue, so that what runs in the thread is not counted as waiting.
            with self.stage("queue before understanding"):
                return await unmeasured(pool, key, size, copy_context().run, function, *arguments)

        unmeasured = inspect.unwrap(run)
        FairPool.run = followed  # type: ignore[method-assign, assignment]

    def as_dict(self) -> dict[str, dict[str, float]]:
        """Return calls and milliseconds by stage."""
        return {name: {"calls": self.calls[name], "ms": 1000 * self.seconds[name]} for name in STAGES}


def found(function: str) -> tuple[Any, str]:
    """Return the owner of a function of ``STAGES``, and its name there.

    Raises:
        AttributeError: if it does not exist (any more).
    """
    module, _, path = function.partition(":")
    *owners, attribute = path.split(".")
    owner: Any = importlib.import_module(module)
    for each in owners:
        owner = getattr(owner, each)
    getattr(owner, attribute)
    return owner, attribute


def main() -> int:
    """Serve until told to stop, then write what the stages took; returns the exit status."""
    from calla import server

    file, watch = Path(sys.argv[1]), Stopwatch()
    watch.install()
    status = server.main()
    file.write_text(json.dumps(watch.as_dict()))
    return status


if __name__ == "__main__":
    sys.exit(main())
