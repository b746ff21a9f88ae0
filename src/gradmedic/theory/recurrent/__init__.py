"""Recurrent layers through time, forward and back."""
