"""Does Vigía itself work: do its processes live, is its clock right, does the broker lose nothing, is there space?"""
