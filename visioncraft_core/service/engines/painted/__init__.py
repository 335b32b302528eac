"""The sandbox's own engine: no model, no network."""
