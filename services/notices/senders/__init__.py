"""How does one message reach one address by each channel, and what came of it?"""
