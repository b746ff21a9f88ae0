"""The ground: what every part may use, and nothing that knows of gradients."""

import os

PACKAGE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "")
"""The folder that all of gradmedic's code lies in."""
