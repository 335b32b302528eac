"""A VisionCraft-compatible server that needs no model, no key and no network."""
