"""Integrations: thin callbacks for those who want a watch in their trainer's own words, and a plugin for pytest.

None is needed to watch a trainer: `gradmedic run train.py` sees what any of them does.
"""
