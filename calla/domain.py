"""The domain of a trained model, read without being checked again.

Rasa checks a domain against its schema whenever it reads one, three seconds for ours;
a trained model's was checked in training, and nobody edits it.
"""

from __future__ import annotations

from typing import Any

from rasa.engine.graph import ExecutionContext
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.graph_components.providers.domain_provider import DomainProvider
from rasa.shared.core.domain import Domain
from rasa.shared.utils.io import read_yaml_file

FILE = "domain.yml"


def _load(
    cls: type[DomainProvider],
    config: dict[str, Any],
    model_storage: ModelStorage,
    resource: Resource,
    execution_context: ExecutionContext,
    **_: Any,
) -> DomainProvider:
    with model_storage.read_from(resource) as folder:
        domain = Domain.from_dict(read_yaml_file(folder / FILE))  # type: ignore[arg-type]
    return cls(model_storage, resource, domain)


def trust_trained_domains() -> None:
    """Let Rasa read the domains of trained models without checking them; call before loading one."""
    DomainProvider.load = classmethod(_load)  # type: ignore[assignment,method-assign]
