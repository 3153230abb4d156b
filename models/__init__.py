"""What is known of the world: readings, kinds of sensor, rules, alerts, places and the tables that keep them."""
