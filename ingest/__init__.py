"""From bytes on the wire to rows: receiving, decoding, quality checks and storing."""
