"""What runs inside one building: readings, learning, forecasting, bidding, metering."""
