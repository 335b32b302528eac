"""The sandbox's keys. They are printed in the README and open nothing else."""

SANDBOX_FREE_KEY = "sandbox-free"
SANDBOX_PREMIUM_KEY = "sandbox-premium"
