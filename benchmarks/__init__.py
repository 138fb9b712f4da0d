"""What `./microgrid bench NAME` runs, one file per subject."""
