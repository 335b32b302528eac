"""The seed of a generation, which the specification of the API does not know.

A server of this project takes it in a header of the request and says so in a header of every
answer, so that other clients and other servers see nothing of it.
"""

from __future__ import annotations

SEED_HEADER = "VisionCraft-Seed"  # of a request: 0 to LARGEST_SEED, in decimal digits
ACCEPT_HEADER, ACCEPTS_SEED = "VisionCraft-Accept", "seed"  # of an answer
LARGEST_SEED = 2**64 - 1
