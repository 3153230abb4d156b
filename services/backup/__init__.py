"""How is a city copied whole, and brought back with proof that nothing was lost or changed?"""
