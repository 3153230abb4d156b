"""Which alerts are one incident, when does an incident begin and end, and what is told of it in one line?"""
