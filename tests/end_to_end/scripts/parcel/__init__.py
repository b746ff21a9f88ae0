import sys

print("parcel", __name__, sys.argv)
