"""Which models an engine has loaded, and which of them it needs again soon."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

COMES_BACK = 1.0  # seconds between an answer and the next request of a program


@dataclass(eq=False)
class Instance:
    """A process, device or replica of an engine, which loads models for itself."""

    at_work: int = 0
    loaded: dict[str, None] = field(default_factory=dict)  # the one used last at the end

    def use(self, model: str, kept: int) -> None:
        if model:
            self.loaded.pop(model, None)
            self.loaded[model] = None
            while len(self.loaded) > kept:
                del self.loaded[next(iter(self.loaded))]

    def next_out(self, kept: int) -> str:
        """The model that makes room for another one, "" if there is room."""
        return next(iter(self.loaded)) if len(self.loaded) >= kept else ""


class Instances:
    """Those of one engine, each of which keeps the `models` that it used last.

    A model that somebody uses who sends one request after the other stays for `comes_back` seconds,
    which is when the next one is there.
    """

    def __init__(self, count: int, models: int) -> None:
        self.models, self.comes_back = models, COMES_BACK
        # The one that ended a request last at the end.
        self._instances = {Instance(): None for _ in range(count)}
        self._ended: dict[str, float] = {}  # models that nobody asked for since, and since when
        self._come_back: set[str] = set()  # models that were asked for again soon

    def __len__(self) -> int:
        return len(self._instances)

    def __iter__(self) -> Iterator[Instance]:
        return iter(self._instances)

    def loaded(self) -> set[str]:
        return {model for instance in self for model in instance.loaded}

    def asked(self, model: str) -> None:
        if model in self._ended:
            soon = time.monotonic() - self._ended.pop(model) < self.comes_back
            (self._come_back.add if soon else self._come_back.discard)(model)

    def ended(self, model: str) -> None:
        if model:
            self._ended[model] = time.monotonic()

    def tell(self, instance: Instance, models: Sequence[str]) -> None:
        """What an instance has loaded, by its own account."""
        self.models = max(self.models, len(models))
        instance.loaded = dict.fromkeys(models)

    def release(self, instance: Instance) -> None:
        instance.at_work -= 1
        del self._instances[instance]
        self._instances[instance] = None

    def free(self, at_once: int) -> list[Instance]:
        """Those that can work on one request more, of `at_once` that all of them work on."""
        if sum(instance.at_work for instance in self) >= at_once:
            return []
        each = -(-at_once // len(self))
        return [instance for instance in self if instance.at_work < each]

    def unneeded(self, instances: Iterable[Instance]) -> list[Instance]:
        """Those that need not keep what they have."""
        now = time.monotonic()
        return [instance for instance in instances if self.needed_until(instance) <= now]

    def needed_until(self, instance: Instance) -> float:
        """When it can load a model without the loss of one that comes back soon, by
        time.monotonic."""
        model = instance.next_out(self.models)
        return self._ended.get(model, 0.0) + self.comes_back if model in self._come_back else 0.0


def having(model: str, instances: Iterable[Instance]) -> Instance | None:
    """The first that has the model loaded; any if none is needed."""
    return next((each for each in instances if not model or model in each.loaded), None)
