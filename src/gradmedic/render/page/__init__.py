"""The parts of every page: document, style, script, charts and maps."""
