"""The search for the best remedy: screen, refine, combine, confirm, choose."""
