"""The comparison of activations: on a screen, as Markdown and as JSON."""
