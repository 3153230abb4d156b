"""How do clients follow events without a gap?"""
