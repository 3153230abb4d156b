"""Which alerts are there, and what happened to them?"""
