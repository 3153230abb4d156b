"""Pages for riders with a cheap telephone: small, without JavaScript, readable on paper and on an old television."""
