"""The command line, the typed scenario and the supervisor of `up`."""
