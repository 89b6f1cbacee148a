"""Running the graph of components in a fixed order changes nothing but the time it takes."""

from __future__ import annotations

from typing import Any

import pytest
from rasa.core.channels.channel import UserMessage
from rasa.engine.runner.dask import DaskGraphRunner
from rasa.shared.core.trackers import DialogueStateTracker

from calla.graph import OrderedGraphRunner


@pytest.mark.parametrize("text", ["what is vitamin k2", "I found a lump. And what is MK-7?", "", "/restart", "merci"])
def test_it_gives_what_dask_gives(bot: Any, text: str) -> None:
    processor = bot.agent.processor
    assert isinstance(processor.graph_runner, OrderedGraphRunner)
    tracker = DialogueStateTracker.from_events("anybody", [], processor.domain.slots)
    inputs = {"__message__": [UserMessage(text)], "__tracker__": tracker}
    for target in (processor.model_metadata.nlu_target, processor.model_metadata.core_target):
        own = processor.graph_runner.run(dict(inputs), [target])
        theirs = DaskGraphRunner.run(processor.graph_runner, dict(inputs), [target])
        assert _plain(own[target]) == _plain(theirs[target])


def test_it_runs_what_is_needed_once_and_before_what_needs_it(bot: Any) -> None:
    runner = bot.agent.processor.graph_runner
    nodes = runner._graph_schema.nodes
    order = runner._in_order(tuple(nodes))
    assert sorted(order) == sorted(nodes)
    for at, name in enumerate(order):
        assert {need for need in nodes[name].needs.values() if need in nodes} <= set(order[:at])


def _plain(output: Any) -> Any:
    if isinstance(output, list):
        return [message.as_dict(only_output_properties=True) for message in output]
    return output.probabilities, output.policy_name, output.is_no_user_prediction
