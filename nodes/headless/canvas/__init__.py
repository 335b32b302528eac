"""A saved workflow file becomes a graph."""
