"""Style sheets, scripts and icon of the pages, held in memory. Their address changes with their content."""

from hashlib import blake2b
from pathlib import Path

_FOLDER = Path(__file__).parent / "static"
_MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

FILES = {
    path.name: (path.read_bytes(), _MEDIA_TYPES[path.suffix])
    for path in sorted(_FOLDER.iterdir())
    if path.suffix in _MEDIA_TYPES
}
VERSION = blake2b(b"".join(content for content, _ in FILES.values()), digest_size=6).hexdigest()
"""Part of the address of each file, so that browsers may cache the files without a limit."""
CACHE_FOREVER = "public, max-age=31536000, immutable"
