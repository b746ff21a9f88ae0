"""Treatment: what a script can be given, without a change of it or as a patch."""
