"""Sinks: each carries the numbers of a run somewhere else while training goes on."""
