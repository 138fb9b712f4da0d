"""The back-test of a community."""
