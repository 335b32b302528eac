"""One request, from start to result."""
