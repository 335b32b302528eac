"""One exchange over the wire."""
