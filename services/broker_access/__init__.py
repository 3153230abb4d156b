"""Who may connect to the broker, and what may each of them write?"""
