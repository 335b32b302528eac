"""What was paid for, kept on disk."""
