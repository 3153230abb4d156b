"""What does a person see in a browser? Server-rendered pages that work without JavaScript and are live with it."""
