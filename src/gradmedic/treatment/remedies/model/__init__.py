"""Remedies that change what the model computes."""
