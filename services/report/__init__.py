"""How well did the city warn, month by month, by what it measured, decided and sent?"""
