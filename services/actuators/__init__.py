"""How is a siren or a sign ordered, and what does it answer?"""
