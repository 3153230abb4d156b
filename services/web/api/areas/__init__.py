"""What level is proposed and declared for an area, and what was ordered under a declared one?"""
