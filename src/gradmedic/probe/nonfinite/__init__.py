"""The search for the operation that made the first inf or NaN."""
