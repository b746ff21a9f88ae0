"""What was seen of a run: values, the store that they are written to and read from."""
