"""What must stay as it is: the public interface, and what an earlier version stored in its database."""
