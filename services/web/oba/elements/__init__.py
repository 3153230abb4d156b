"""What is a OneBusAway answer made of?"""
