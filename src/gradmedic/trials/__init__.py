"""Trials: the same run in pairs, with and without a remedy, and what that proves."""
