import sys

from . import inner
from .inner.leaf import tell

print("main", __name__, __package__, __spec__.name, __file__, sys.argv, sys.path[0], inner.__name__)
tell()
