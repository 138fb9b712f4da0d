"""The physical world: clock, weather, solar, load, battery, and replay of recorded data."""
