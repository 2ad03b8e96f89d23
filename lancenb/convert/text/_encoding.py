"""Which encoding are these bytes in? Certain where bytes can say so, else a scored guess.

1. a byte order mark; 2. zero bytes in every second place (UTF-16 without a mark); 3. valid UTF-8;
4. East Asian encodings, when charset-normalizer sees text of one of those scripts; 5. the
single-byte encodings, scored by script: how many of the letters outside ASCII are among the
frequent ones of a language of that script, and how many are no letters at all. Short samples
cannot be told apart with certainty: give ``encoding=`` when you know.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from dataclasses import dataclass

SAMPLE = 1 << 16
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Letters (and marks) outside ASCII of languages of each script, the frequent ones first.
_CYRILLIC = "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфёіїєґў"
_GREEK = "αοιετσνηυρπκμλάςίόωέδγήχθύφώβξζψϊϋ"
_CENTRAL = "áéíóěšąłęčřžýśżćńůőűöüúťďňźôşăâîţđľĺ„”–—…"
_FREQUENT = {
    "cp1252": "éèàáíóñçêúãõâôîûëïäöüßåøæùœ’«»‘“”–—…€°¿¡ºª",
    "cp1250": _CENTRAL,
    "iso8859-2": _CENTRAL,
    "cp1254": "ışüçğöiâî’",
    "cp1251": _CYRILLIC,
    "koi8-r": _CYRILLIC,
    "iso8859-5": _CYRILLIC,
    "cp866": _CYRILLIC,
    "cp1253": _GREEK,
    "iso8859-7": _GREEK,
    "cp1255": "יוהלאמרבתשנדקעםפחטןצגכסזךץף",
    "cp1256": "اليمونرتبةعدسفهكقأحجشصىخإضطغئءثآظذزؤپچگ،؟ًٌٍَُِّْ",
    "cp874": "านรอกเงมยลวดทสตะัี่้ิบคปไพห็์แชขใโจู๊ึืุำผซถธภศษฟฉญฐณฎฏฒฬฮๆ๋",
}
_LATIN = ("cp1252", "cp1250", "iso8859-2", "cp1254")
# First bytes of the frequent characters of double-byte encodings.
_COMMON_LEADS = {
    "gb18030": (0xA1, 0xD7),
    "big5": (0xA1, 0xC6),
    "big5hkscs": (0xA1, 0xC6),
    "cp950": (0xA1, 0xC6),
    "cp949": (0xA1, 0xC8),
    "euc_jp": (0xA1, 0xCF),
    "euc_jis_2004": (0xA1, 0xCF),
}
_EAST = {
    "gb18030": "gb18030",
    "gbk": "gb18030",
    "gb2312": "gb18030",
    "hz": "hz",
    "big5": "big5",
    "big5hkscs": "big5hkscs",
    "cp950": "cp950",
    "euc_jp": "euc_jp",
    "euc_jis_2004": "euc_jis_2004",
    "euc_jisx0213": "euc_jis_2004",
    "shift_jis": "cp932",
    "shift_jis_2004": "shift_jis_2004",
    "cp932": "cp932",
    "iso2022_jp": "iso2022_jp",
    "euc_kr": "cp949",
    "cp949": "cp949",
    "johab": "johab",
}
_HIGH_RUN = re.compile(rb"[\x80-\xff]+")
_UTF8_CHAR = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"
)


@dataclass(frozen=True)
class Guess:
    """An encoding and how long its byte order mark is.

    Attributes:
        name: Python codec name; ``"utf-8"`` for ASCII.
        mark: bytes of the mark to skip.
        mixed: the bytes are neither valid UTF-8 nor free of it: two encodings in one file.
    """

    name: str
    mark: int = 0
    mixed: bool = False


def detect(sample: bytes, *, complete: bool = False) -> Guess:
    """Tell the encoding of a file from its first bytes (or from all its bytes).

    Args:
        sample: bytes from the start of the file.
        complete: whether ``sample`` is the whole file; else its last character may be cut.

    >>> detect("né à Liège".encode("latin-1")).name, detect(b"plain").name
    ('cp1252', 'utf-8')
    """
    for mark, name in _MARKS:
        if sample.startswith(mark):
            return Guess(name, len(mark))
    if (wide := _utf16_without_mark(sample)) is not None:
        return Guess(wide)
    if b"\x1b$" in sample and sample.isascii():
        return Guess("iso2022_jp")
    if valid_utf8(sample, complete=complete):
        return Guess("utf-8")
    text = _telling_lines(sample, complete)
    east = _east_asian(text)
    if east:
        return Guess(east)
    name = _single_byte(text)
    return Guess(name, mixed=name in _LATIN and _holds_utf8_too(text))


def valid_utf8(data: bytes, *, complete: bool) -> bool:
    """Whether bytes are UTF-8; a character cut off at the end is fine unless ``complete``."""
    if data.isascii():
        return True
    try:
        codecs.getincrementaldecoder("utf-8")().decode(data, complete)
    except UnicodeDecodeError:
        return False
    return True


def _utf16_without_mark(sample: bytes) -> str | None:
    head = sample[:4096]
    if len(head) < 8 or len(head) % 2:
        head = head[: len(head) // 2 * 2]
    if len(head) < 8:
        return None
    even, odd = head[0::2].count(0), head[1::2].count(0)
    half = len(head) // 2
    if odd > 0.6 * half and even < 0.05 * half:
        return "utf-16-le"
    if even > 0.6 * half and odd < 0.05 * half:
        return "utf-16-be"
    return None


def _telling_lines(sample: bytes, complete: bool) -> bytes:
    """Keep lines with bytes outside ASCII: the others say nothing about the encoding."""
    lines = sample.splitlines(keepends=True)
    if not complete and len(lines) > 1:
        lines = lines[:-1]
    telling = b"".join(line for line in lines if not line.isascii())
    return (telling or sample)[: SAMPLE // 2]


def _east_asian(text: bytes) -> str | None:
    """Return an East Asian encoding when the text reads as one, else ``None``."""
    if len(_HIGH_RUN.findall(text)) == 0 or _lonely_share(text) > 0.5:
        return None
    from charset_normalizer import from_bytes

    for match in list(from_bytes(text, cp_isolation=sorted(_EAST)))[:3]:
        name = _EAST.get(match.encoding)
        if name is None:
            continue
        decoded = text.decode(name, errors="replace")
        strange = [c for c in decoded if ord(c) > 127]
        good = sum(_is_east_asian(c) and _is_common(c, name) for c in strange)
        if strange and good >= 0.75 * len(strange):
            return name
    return None


def _lonely_share(text: bytes) -> float:
    """Share of high bytes that stand alone between ASCII letters, as in Latin text."""
    runs = [(m.start(), m.end()) for m in _HIGH_RUN.finditer(text)]
    lonely = 0
    for start, end in runs:
        after = text[end : end + 1]
        if end - start == 1 and (not after.isalnum() or after.islower() or start == 0):
            lonely += 1
    return lonely / len(runs)


def _is_east_asian(char: str) -> bool:
    code = ord(char)
    return (
        0x3000 <= code <= 0x30FF  # punctuation, kana
        or 0x4E00 <= code <= 0x9FFF  # unified ideographs
        or 0xAC00 <= code <= 0xD7A3  # hangul
        or 0xFF00 <= code <= 0xFF60  # full-width forms
        or 0x2010 <= code <= 0x2030  # dashes, quotes, ellipsis
        or 0x2460 <= code <= 0x25FF  # circled numbers, boxes, circles
        or char in "·×÷±°§¨´"
    )


def _is_common(char: str, name: str) -> bool:
    """Whether a character lies where its encoding keeps the frequent ones."""
    if name not in _COMMON_LEADS:
        return True
    low, high = _COMMON_LEADS[name]
    return low <= char.encode(name, errors="replace")[0] <= high


def _single_byte(text: bytes) -> str:
    """Return the single-byte encoding under which the text looks most like some language."""
    high = max(1, sum(len(run) for run in _HIGH_RUN.findall(text)))
    best, best_score = "cp1252", -1e9
    for order, (name, frequent) in enumerate(_FREQUENT.items()):
        decoded = text.decode(name, errors="replace")
        worth = {c: 1.0 - 0.7 * i / len(frequent) for i, c in enumerate(frequent)}
        score = _score(decoded, worth) - 0.001 * order
        if name == "cp1252":
            # The most likely one as long as there is little to go by.
            score += 0.15 + 1.5 / high
        if score > best_score:
            best, best_score = name, score
    return best


def _score(decoded: str, frequent: dict[str, float]) -> float:
    """Mean worth of the characters outside ASCII: frequent letters 1, undefined ones -2."""
    total, count, previous = 0.0, 0, " "
    for char in decoded:
        if ord(char) > 127:
            count += 1
            total += _worth(char, previous, frequent)
        elif previous.isalpha() and ord(previous) > 127 and char.isalpha():
            # A script that is not Latin does not change to Latin within a word.
            total -= 0.0 if "LATIN" in unicodedata.name(previous, "") else 0.6
        previous = char
    return total / max(count, 1)


def _worth(char: str, previous: str, frequent: dict[str, float]) -> float:
    if char == "\ufffd" or unicodedata.category(char) in ("Cc", "Co", "Cn"):
        return -2.0
    if not (char.isalpha() or unicodedata.category(char) in ("Mn", "Mc")):
        # A symbol inside a word is a sign of the wrong code page.
        return frequent.get(char, 0.2) if not previous.isalpha() else -0.8
    worth = frequent.get(char.lower(), -0.3)
    if char.isupper() and previous.islower():
        worth -= 1.0
    if previous.isalpha() and ord(previous) < 128 and "LATIN" not in unicodedata.name(char, ""):
        worth -= 0.6
    latin_run = ord(previous) > 127 and previous.isalpha() and "LATIN" in unicodedata.name(char, "")
    # Letters with marks seldom stand side by side in languages written in Latin letters.
    return worth - (0.7 if latin_run else 0.0)


def _holds_utf8_too(text: bytes) -> bool:
    """Whether some of the text is UTF-8 although not all of it is."""
    found = len(_UTF8_CHAR.findall(text))
    high = sum(len(run) for run in _HIGH_RUN.findall(text))
    return found > 0 and 2 * found * 2 >= high / 2
