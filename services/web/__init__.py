"""How do people and machines reach Vigía over HTTP? `app` mounts everything; `server` runs it."""
