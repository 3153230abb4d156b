"""How accurate were predictions, and what did riders report?"""
