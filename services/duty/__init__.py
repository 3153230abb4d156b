"""Who is on duty, in which place of the chain and for which zone, and what do they hand over?"""
