"""Routes of stations: where they are, current values, series, forecasts, speeds."""
