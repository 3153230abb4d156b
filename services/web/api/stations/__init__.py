"""What does the API say of stations: places, current values, series, forecasts, speeds?"""
