"""FastAPI hub: ingest, live state, history, orders, trades, rounds."""
