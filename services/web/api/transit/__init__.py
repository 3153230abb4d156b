"""What does the API say of public transport: stops, arrivals, vehicles, service alerts, feeds, text messages?"""
