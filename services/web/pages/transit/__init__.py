"""What does a rider see on a cheap telephone? Small pages without JavaScript, readable on paper too."""
