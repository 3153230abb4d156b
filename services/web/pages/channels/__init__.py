"""How does a person say where they are told, and prove that it reaches them?"""
