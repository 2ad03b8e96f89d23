"""Which suffix promises which family of content."""

from __future__ import annotations

FAMILIES = {
    "weights": ("pth", "pt", "th", "ckpt", "bin", "safetensors", "pth.tar"),
    "images": (
        *("png", "jpg", "jpeg", "jpe", "jfif", "bmp", "dib", "webp", "tif", "tiff", "gif", "ppm"),
        *("pgm", "pbm", "pnm", "avif", "jp2", "j2k", "jpx", "ico", "cur", "qoi", "mpo", "tga"),
        *("heic", "heif", "psd", "icns", "pcx", "sgi", "dds", "apng"),
    ),
    "table": ("parquet", "pq", "arrow", "feather", "ipc", "arrow_file", "stream"),
    "text": ("txt", "csv", "tsv", "json", "jsonl", "ndjson", "geojson", "md", "dat", "log"),
}
FAMILY_OF = {suffix: family for family, names in FAMILIES.items() for suffix in names}
LATER = {
    **dict.fromkeys(("wav", "mp3", "flac", "ogg", "aiff", "aif", "au", "m4a"), "audio"),
    **dict.fromkeys(("mp4", "webm", "mkv", "mov", "avi"), "video"),
    **dict.fromkeys(("las", "laz", "ply", "pcd"), "point clouds"),
    **dict.fromkeys(("xls", "xlsx"), "spreadsheets"),
}
