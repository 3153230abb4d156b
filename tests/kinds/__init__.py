"""What must hold for every kind of sensor, over KINDS."""
