"""What makes the results of the service."""
