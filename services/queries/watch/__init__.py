"""What does the watch page show, and in which condition is each station? May import the other query rooms."""
