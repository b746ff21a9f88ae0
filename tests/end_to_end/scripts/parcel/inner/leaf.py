import pickle
import sys


class Leaf:
    def __repr__(self):
        return "Leaf"


def tell():
    print("leaf", __name__, pickle.loads(pickle.dumps(Leaf())))


if __name__ == "__main__":
    tell()
    print(__package__, __spec__.name, sys.argv)
    raise LookupError("out of a module")
