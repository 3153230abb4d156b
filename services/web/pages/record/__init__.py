"""What happened and who did it: the record, the shift logbook, and how well the city warned?"""
