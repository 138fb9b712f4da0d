"""The back-test of a community: what planning, trading and forecasts are worth, with the code that runs live."""
