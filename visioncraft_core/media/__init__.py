"""Files to arrays and back; whether a file is whole."""
