"""Readers: each turns a release of a face set, as it lies on disk, into a catalog."""
