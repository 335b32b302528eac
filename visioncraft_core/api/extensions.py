"""What a server of this project takes beyond the specification of the API, which is silent on it.

It says so in a header of every answer, so that other clients and other servers see nothing of it.
"""

from __future__ import annotations

ACCEPT_HEADER = "VisionCraft-Accept"  # of an answer: a list of the next two
ACCEPTS_SEED = "seed"
ACCEPTS_PROGRESS = "progress"  # service/progress.py tells how it is asked for
SEED_HEADER = "VisionCraft-Seed"  # of a request: 0 to LARGEST_SEED, in decimal digits
REQUEST_ID_HEADER = "X-Request-Id"  # of a request and its answer
LARGEST_SEED = 2**64 - 1
