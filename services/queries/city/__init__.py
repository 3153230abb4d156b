"""How is the city as a whole: its areas, processes and rejected messages?"""
