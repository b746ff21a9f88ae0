"""The report on a run, in every form that it can be had in."""
