"""Keeps libraries out of the process that no part of Calla uses.

Rasa imports all of its own components, and with them TensorFlow and Keras: half of the memory
and of the time to start; and the clients of channels, brokers and databases that Calla does
not have. They are given modules with nothing in them; class definitions go through, and none
of them is ever made. ``evaluation.bench`` trains Rasa's own pipeline and does without this.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
import types
from typing import Any, Iterator, Optional, Sequence

LEFT_OUT = frozenset(
    {
        *("tensorflow", "keras", "tensorflow_addons", "tensorflow_hub", "tensorflow_text", "h5py", "safetensors"),
        *("aiogram", "fbmessenger", "twilio", "webexteamssdk", "aio_pika", "aiormq"),
        *("boto3", "botocore", "pymongo"),
    }
)


class _AnyAttribute(type):
    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Nothing

    def __getitem__(cls, _: Any) -> Any:
        return Nothing

    def __iter__(cls) -> Iterator[Any]:
        return iter(())

    def __len__(cls) -> int:
        return 0


class Nothing(metaclass=_AnyAttribute):
    """Stands for every class and function: can be named, subclassed, and used to decorate."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __call__(self, *arguments: Any, **_: Any) -> Any:
        """Give back what is decorated."""
        return arguments[0] if arguments and callable(arguments[0]) else self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Nothing

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __len__(self) -> int:
        return 0


class _EmptyModule(types.ModuleType):
    __path__: list[str] = []
    __version__ = "0"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Nothing


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(
        self, name: str, path: Optional[Sequence[str]] = None, target: Optional[types.ModuleType] = None
    ) -> Optional[importlib.machinery.ModuleSpec]:
        """Find an empty module for what is left out (see parent class)."""
        if name.partition(".")[0] not in LEFT_OUT:
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        """Make it."""
        return _EmptyModule(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """Put nothing into it."""


def leave_out_libraries() -> None:
    """Let imports of what is left out find empty modules; call before importing Rasa or spaCy."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
