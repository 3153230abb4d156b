"""Where do stations stand, what do they measure, and in which condition are they?"""
