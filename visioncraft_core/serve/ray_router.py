"""Which replica gets a request: one that is free, as far as Ray knows, and has the model."""

# pyright: reportMissingImports=false

from __future__ import annotations

import random
import time
from typing import Any

from ray.serve.request_router import PendingRequest, ReplicaID, RequestRouter, RunningReplica

from ..service.instances import Instance

MOMENT = 0.5  # seconds in which Ray notes that a replica is free again, on a busy computer, too


class FreeReplicas(RequestRouter):
    """Chooses between two replicas, as Ray's own router does, but not among those known to be busy.

    The queue lets through as many requests as replicas can work on. So under load one of them is
    free, and two that are taken at random are hardly ever that one. What a replica has loaded Ray
    tells a second late; until then it is what was sent there, `models` at most.
    """

    def initialize_state(self, **kwargs: int) -> None:
        self._models = kwargs["models"]
        self._used: dict[ReplicaID, Instance] = {}

    def on_request_routed(
        self, pending_request: PendingRequest, replica_id: ReplicaID, result: Any
    ) -> None:
        if model := pending_request.metadata.multiplexed_model_id:
            self._used.setdefault(replica_id, Instance()).use(model, self._models)
        for gone in self._used.keys() - self.curr_replicas.keys():
            del self._used[gone]

    async def choose_replicas(
        self,
        candidate_replicas: list[RunningReplica],
        pending_request: PendingRequest | None = None,
    ) -> list[list[RunningReplica]]:
        free = self.select_available_replicas(candidate_replicas)
        if pending_request:  # else Ray asks again without a pause, and the server does nothing else
            pending_request.routing_context.should_backoff = True
        if pending_request and (model := pending_request.metadata.multiplexed_model_id):
            having = [each for each in candidate_replicas if self._has(each, model)]
            young = time.time() - pending_request.created_at < MOMENT
            free_having = [each for each in having if each in free]
            if having and not free_having and young:
                return []  # its last request may have ended just now
            free = free_having or free
        known = free or candidate_replicas  # which Ray then asks
        return [random.sample(known, min(2, len(known)))]

    def _has(self, replica: RunningReplica, model: str) -> bool:
        used = self._used.get(replica.replica_id)
        return model in (used.loaded if used else replica.multiplexed_model_ids)
