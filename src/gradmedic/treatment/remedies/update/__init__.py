"""Remedies that change gradients, steps and rates."""
