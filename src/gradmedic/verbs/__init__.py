"""Verbs: what users call, one function to a file, which only composes what the lower floors do."""
