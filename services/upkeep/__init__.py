"""What must be done regularly: delete expired rows, learn forecasts, print the data register?"""
