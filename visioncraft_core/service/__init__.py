"""A VisionCraft-compatible HTTP server, whatever makes the pictures."""
