"""The pages of the dashboard: each is a script that reads from top to bottom."""
