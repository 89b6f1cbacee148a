"""Rasa's graph of components, run in a fixed order instead of planned anew for every message."""

from __future__ import annotations

from typing import Any, Optional

from rasa.engine.graph import ExecutionContext, GraphNodeHook, GraphSchema
from rasa.engine.runner.dask import DaskGraphRunner
from rasa.engine.storage.storage import ModelStorage


class OrderedGraphRunner(DaskGraphRunner):
    """Runs the same nodes on the same inputs as its parent, one after the other.

    Rasa hands the graph to dask, which plans and schedules it for every message and every
    prediction. The graph never changes while it runs, so its order is worked out once.
    """

    def run(self, inputs: Optional[dict[str, Any]] = None, targets: Optional[list[str]] = None) -> dict[str, Any]:
        """Run what the targets need; return their outputs (see parent class)."""
        wanted = targets or self._graph_schema.target_names
        outputs = dict(inputs or {})
        for name in self._in_order(tuple(wanted)):
            if name not in outputs:
                needed = self._graph_schema.nodes[name].needs.values()
                _, outputs[name] = self._instantiated_nodes[name](*((each, outputs[each]) for each in needed))
        return {name: outputs[name] for name in wanted}

    def _in_order(self, targets: tuple[str, ...]) -> list[str]:
        """Return the nodes that targets need, each after those that it needs itself."""
        orders: dict[tuple[str, ...], list[str]] = self.__dict__.setdefault("_orders", {})
        if targets not in orders:
            found: dict[str, None] = {}

            def add(name: str) -> None:
                if name in self._graph_schema.nodes and name not in found:
                    for each in self._graph_schema.nodes[name].needs.values():
                        add(each)
                    found[name] = None

            for target in targets:
                add(target)
            orders[targets] = list(found)
        return orders[targets]


class TrainingGraphRunner(OrderedGraphRunner):
    """Trains without Rasa's hooks: nothing is kept in its cache, and its fingerprints of all examples take seconds."""

    @classmethod
    def create(
        cls,
        graph_schema: GraphSchema,
        model_storage: ModelStorage,
        execution_context: ExecutionContext,
        hooks: Optional[list[GraphNodeHook]] = None,
    ) -> TrainingGraphRunner:
        """Create the runner (see parent class)."""
        return cls(graph_schema, model_storage, execution_context)
