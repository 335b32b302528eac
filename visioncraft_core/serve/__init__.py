"""A server of your own: what `visioncraft serve` adds to the service. Needs the extra `serve`."""
