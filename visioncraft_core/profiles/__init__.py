"""Who is asked: servers, their keys and their settings."""
