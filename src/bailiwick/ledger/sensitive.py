"""A lint for text on its way into a record: personal data and secrets that have a form of their own.

It finds what can be recognised: e-mail addresses, IBANs, phone and card numbers, private keys, tokens. A name or a
diagnosis has no such form; against those stands the list of fields, whose contracts leave no room for typed text. A
record is kept for years and cannot be taken back, so doubt is refused; what our own records hold (digests, keyed names,
times, verifier keys, notes, signatures) is recognised first and passes.

Sources: ISO 13616 and the SWIFT IBAN registry (lengths), ISO/IEC 7812-1 (Luhn), ITU-T E.164, RFC 7468, RFC 7519.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from itertools import pairwise

PERSONAL = "record-personal-data"
SECRET = "record-secret"  # noqa: S105 - the code of a refusal

Finding = tuple[str, str]
"""Code of the refusal, and what was found, in words that do not repeat it."""

# Text that is ours by its form. Verifier keys and notes hold base64, in which a lint would see tokens.
_BASE64 = r"[A-Za-z0-9+/]"
_OURS = re.compile(
    r"(?:sha256:|hmac-sha256:)?[0-9a-f]{64}"
    r"|[a-z][a-z0-9-]*[/:](?:[0-9a-f]{16}|[0-9a-f]{32}|[0-9a-f]{64})(?:\.json)?"
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{9}Z"
    r"|(?:0|[1-9][0-9]{0,5})\.(?:0|[1-9][0-9]{0,5})\.(?:0|[1-9][0-9]{0,5})"
)
_VERIFIER = re.compile(rf"[!-*,-~]{{1,200}}\+[0-9a-f]{{8}}\+({_BASE64}{{43}}=|{_BASE64}{{44,}}={{0,2}})")
_SIGNATURE_LINE = re.compile(rf"^\u2014 [!-*,-~]{{1,200}} {_BASE64}{{90,}}={{0,2}}$", re.M)
_ROOT_LINE = re.compile(rf"^{_BASE64}{{43}}=$", re.M)
_SIGNATURE_CHARACTERS = frozenset({88, 92, 104})
"""Base64 of 64 bytes (Ed25519), 68 (with a note's key id) and 76 (a cosignature with its time), in characters."""

_EMAIL = re.compile(r"[^\s@<>()\[\]\"',;:]@(?:[^\W_](?:[\w-]{0,62})\.)+[^\W\d_]{2,24}(?![\w-])")
_PHONE = re.compile(
    r"(?<![\w+/=.-])(?:\+|00)[1-9](?:[ ./()-]{0,2}[0-9]){6,14}(?![\w+/=]|[.-][0-9])"
    r"|\btel:[ +0-9().-]{6,24}"
    r"|(?<![\w.-])\(?[2-9][0-9]{2}\)?[ .-][2-9][0-9]{2}[ .-][0-9]{4}(?![\w.-])"
    r"|(?<![\w.-])\(?0[1-9][0-9]{1,4}\)?[ /-][ 0-9/-]{4,12}[0-9](?![\w.-])"
)
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}[0-9]{2}(?:[ -]?[A-Za-z0-9]){11,30}(?![A-Za-z0-9])")
_CARD = re.compile(r"(?<![\w.+])[2-6](?:[ -]?[0-9]){12,18}(?!\w|\.[0-9])")
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY|PuTTY-User-Key-File|AGE-SECRET-KEY-1|PRIVATE\+KEY\+", re.I
)
_TOKENS = (
    ("a JSON web token", re.compile(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*")),
    ("an AWS access key", re.compile(r"(?<![A-Za-z0-9])(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])")),
    ("a GitHub token", re.compile(r"gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{22}")),
    ("a Slack token", re.compile(r"xox[abeoprs]-[A-Za-z0-9-]{10}|xapp-[0-9]-[A-Za-z0-9-]{10}")),
    ("a GitLab token", re.compile(r"gl(?:pat|dt|rt|cbt)-[A-Za-z0-9_-]{20}")),
    ("a Stripe key", re.compile(r"[rs]k_(?:live|test)_[A-Za-z0-9]{16}")),
    ("a Google key", re.compile(r"AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20}")),
    ("a package registry's token", re.compile(r"npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{32}")),
    ("a secret key of an interface", re.compile(r"(?<![A-Za-z0-9])sk-(?:[a-z]+-)*[A-Za-z0-9_-]{20}")),
    ("a bearer token", re.compile(r"\bbearer[ :=]+[A-Za-z0-9._~+/=-]{16}", re.I)),
    ("a password in an address", re.compile(r"[a-z][a-z0-9+.-]*://[^\s/:@]+:[^\s/@]+@", re.I)),
    (
        "a password",
        re.compile(r"\b(?:password|passwd|pwd|secret|api[_-]?key|access[_-]?token)[\"']?\s*[:=]\s*[\"']?\S{6}", re.I),
    ),
)
_RUN = re.compile(r"[A-Za-z0-9_+/=-]{24,}")
RUN_CHARACTERS_MAX = 128
"""Longest run of letters and digits that is judged by its disorder, in characters; its start stands for the rest."""
DISORDER_BITS_MIN = 3.7
"""Entropy above which a mixed run counts as drawn at random, in bits a character."""
TURNS_MIN = 0.3
"""Share of neighbours of different kinds (upper, lower, digit) above which a mixed run counts as drawn at random."""
WORDS_MAX = 0.5
"""Share of characters in small letters, three or more in a row, above which a mixed run is made of words."""
_WORD = re.compile(r"[a-z]{3,}")

_IBAN_CHARACTERS = {
    **dict.fromkeys("NO".split(), 15),
    **dict.fromkeys("BE".split(), 16),
    **dict.fromkeys("DK FK FI FO GL NL SD".split(), 18),
    **dict.fromkeys("MK SI".split(), 19),
    **dict.fromkeys("AT BA EE KZ LT LU MN XK".split(), 20),
    **dict.fromkeys("HR LI LV CH".split(), 21),
    **dict.fromkeys("BH BG CR DE GB GE IE ME RS VA".split(), 22),
    **dict.fromkeys("AE GI IL IQ OM SO TL".split(), 23),
    **dict.fromkeys("AD CZ ES MD PK RO SA SE SK TN VG".split(), 24),
    **dict.fromkeys("LY PT ST".split(), 25),
    **dict.fromkeys("IS TR".split(), 26),
    **dict.fromkeys("BI DJ FR GR IT MC MR SM".split(), 27),
    **dict.fromkeys("AL AZ BY CY DO GT HN HU LB NI PL SV".split(), 28),
    **dict.fromkeys("BR EG PS QA UA".split(), 29),
    **dict.fromkeys("JO KW MU YE".split(), 30),
    **dict.fromkeys("MT SC".split(), 31),
    **dict.fromkeys("LC".split(), 32),
    **dict.fromkeys("RU".split(), 33),
}
"""Length of an IBAN by country."""


def find_sensitive(text: str) -> Finding | None:
    """Say what personal datum or secret a text holds, or None.

    Cost: about 0.3 µs for text of our own forms, 5 to 20 µs for other text of 50 characters.

    >>> find_sensitive("write to jane@example.org")
    ('record-personal-data', 'an e-mail address')
    >>> find_sensitive("hmac-sha256:" + 64 * "a") is None
    True
    """
    if _OURS.fullmatch(text):
        return None
    if _VERIFIER.fullmatch(text) or (len(text) in _SIGNATURE_CHARACTERS and _is_base64(text)):
        return None
    rest = _ROOT_LINE.sub("", _SIGNATURE_LINE.sub("", text)) if "\n" in text else text
    return _secret(rest) or _personal(rest)


def _personal(text: str) -> Finding | None:
    if "@" in text and _EMAIL.search(text):
        return PERSONAL, "an e-mail address"
    if _any(_IBAN, text, _is_iban):
        return PERSONAL, "an IBAN"
    if _any(_CARD, text, _is_card):
        return PERSONAL, "a payment card number"
    if _PHONE.search(text):
        return PERSONAL, "a phone number"
    return None


def _secret(text: str) -> Finding | None:
    if _PRIVATE_KEY.search(text):
        return SECRET, "a private key"
    for name, pattern in _TOKENS:
        if pattern.search(text):
            return SECRET, name
    if _any(_RUN, text, _is_drawn):
        return SECRET, "what looks like a random token"
    return None


def _any(pattern: re.Pattern[str], text: str, is_one: Callable[[str], bool]) -> bool:
    return any(is_one(found[0]) for found in pattern.finditer(text))


def _is_base64(text: str) -> bool:
    return re.fullmatch(rf"{_BASE64}+={{0,2}}", text) is not None


def _is_iban(text: str) -> bool:
    """Say whether country, length and the two check digits agree (ISO 7064, MOD 97-10).

    >>> _is_iban("DE89 3704 0044 0532 0130 00"), _is_iban("DE88 3704 0044 0532 0130 00")
    (True, False)
    """
    plain = text.replace(" ", "").replace("-", "").upper()
    length = _IBAN_CHARACTERS.get(plain[:2])
    if length is None or len(plain) < length:
        return False
    plain = plain[:length]  # a word may follow after a space
    return int("".join(str(int(each, 36)) for each in plain[4:] + plain[:4])) % 97 == 1


def _is_card(text: str) -> bool:
    """Say whether issuer, length and check digit agree.

    >>> _is_card("4111 1111 1111 1111"), _is_card("4111 1111 1111 1112")
    (True, False)
    """
    digits = text.replace(" ", "").replace("-", "")
    if not _is_issued(digits):
        return False
    total = 0
    for position, each in enumerate(reversed(digits)):
        value = int(each) * (1 + position % 2)
        total += value - 9 * (value > 9)
    return total % 10 == 0


def _is_issued(digits: str) -> bool:
    size, first = len(digits), int(digits[:4])
    if digits[0] == "4":
        return size in (13, 16, 19)
    if 5100 <= first <= 5599 or 2221 <= first <= 2720:
        return size == 16
    if digits[:2] in ("34", "37"):
        return size == 15
    if digits[:2] in ("30", "36", "38", "39"):
        return 14 <= size <= 19
    return 16 <= size <= 19 and (digits[:2] in ("35", "50", "56", "57", "58", "60", "62", "64", "65", "67"))


def _is_drawn(run: str) -> bool:
    """Say whether a run of letters and digits looks drawn at random: mixed, disordered, and turning often.

    >>> _is_drawn("wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"), _is_drawn("TheQuickBrownFoxJumpsOver13LazyDogs")
    (True, False)
    """
    run = run[:RUN_CHARACTERS_MAX]
    kinds = ["A" if each.isupper() else "a" if each.islower() else "0" if each.isdigit() else "" for each in run]
    if not {"A", "a", "0"} <= set(kinds):
        return False
    turns = sum(before != after for before, after in pairwise(kinds)) / len(run)
    words = sum(len(word) for word in _WORD.findall(run)) / len(run)
    shares = [run.count(each) / len(run) for each in set(run)]
    disorder = -sum(share * math.log2(share) for share in shares)
    return turns >= TURNS_MIN and words <= WORDS_MAX and disorder >= DISORDER_BITS_MIN
