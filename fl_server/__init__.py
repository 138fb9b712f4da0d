"""The federation: server app, weighted averaging, round reports."""
