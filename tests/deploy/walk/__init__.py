"""Does deploy/README.md lead from an empty machine to a city, and back to it after a loss?"""
