"""Fault injection, for the sandbox only."""
