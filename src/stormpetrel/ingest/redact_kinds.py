r"""What is taken out of texts before they are stored: the built-in kinds, and how each is spelled.

A kind is recognised in two steps. Its `marks` are cheap to look for and stand in every text that can
hold one: only such texts are looked at more closely (`ingest.redact_scan`). There its `rules` replace what
is secret and keep what is not, so that `password=hunter2` becomes `password=[secret]`. Kinds without rules
(mail addresses, card numbers, account numbers) are found by their shape and check digits alone
(`ingest.redact_numbers`, `ingest.redact_mail`).

All rules are RE2 expressions (linear time, https://github.com/google/re2/wiki/Syntax). RE2 cannot look
ahead: a rule that ends before a bracket does so by what its last character may be. Each rule leaves its own
replacement as it is, so that redacting twice changes nothing.

Sources of the prefixes: the token formats that their issuers publish for secret scanners (AWS IAM unique
identifiers, GitHub authentication token formats, GitLab token overview, Slack token types, Stripe API keys,
npm access tokens, Azure storage and Entra secrets, Google API keys).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mark:
    """Text that every candidate holds.

    Attributes:
        text: the bytes; in small letters where `fold` is set.
        fold: whether capitals count as small letters.
        assigned: it must be followed by `=` or `:`, with at most key characters, quotes and white space
        between.
    """

    text: str
    fold: bool = False
    assigned: bool = False


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of secret or personal data. `rules` are pairs of RE2 expression and replacement."""

    name: str
    marks: tuple[Mark, ...] = ()
    rules: tuple[tuple[str, str], ...] = ()


def _plain(*texts: str) -> tuple[Mark, ...]:
    return tuple(Mark(text) for text in texts)


_KEY_OF = (
    "api",
    "access",
    "secret",
    "private",
    "auth",
    "account",
    "encryption",
    "signing",
    "master",
    "client",
)
_PASSWORDS = r"(?:pass(?:word|wd|phrase|code))"
# What a name may end in after the telling word: SECRET_KEY_BASE, password_hash, DB_PASSWORD_2.
_TAIL = r"(?:[_-](?:base|value|hash|b64|base64|text|string|[0-9]{1,2}))?"
_KEYS = rf"(?:(?:{_PASSWORDS[3:-1]}|secret|token|credentials?|(?:{'|'.join(_KEY_OF)})[_.-]?key){_TAIL})"
# Alone, "pass" is also what a test did: it counts behind these words, or before what no result looks like.
_OWNERS = "db|database|smtp|mail|imap|user|ftp|admin|root|mysql|pg|redis|ldap|proxy|http|auth|bind|login|ssh"
# A quoted key before a colon is JSON: there a bare value is a number, or nothing secret.
_SEPARATED = r"(?:[\"']?(?:\s*(?:=>|:=)\s*|\s+=\s+|=)|:)"
# A bare value ends at a quote, `&`, `,`, `;`, an angle bracket or white space, and before brackets at its
# end.
# Its first form is what redaction itself puts there.
_INNER = r"(?:[^\s\"'&,;<>\\]|\\[^\"'\s])"
_LAST = r"[^\s\"'&,;<>\\()\[\]{}]"
_BARE = rf"(?:\[[a-z0-9_-]{{1,40}}\](?:{_INNER}*{_LAST})?|{_INNER}*{_LAST})"
_WITH_DIGIT = rf"(?:\[[a-z0-9_-]{{1,40}}\]|{_INNER}*[0-9](?:{_INNER}*{_LAST})?)"

_OPTION_WORDS = (
    "passw", "passphrase", "passcode", "secret", "token", "apikey", "api-key", "api_key", "accesskey",
    "access-key", "access_key",
)  # fmt: skip

_SECRET_MARKS = (
    *(Mark(word, True, True) for word in ("passw", "passphrase", "passcode", "pwd", "secret", "token")),
    Mark("credential", True, True),
    *(Mark(f"{of}{glue}key", True, True) for of in _KEY_OF for glue in ("", "_", "-", ".")),
    *(Mark(f"-{word}", True) for word in _OPTION_WORDS),
    Mark("pass", True, True),
    *(Mark(program) for program in ("curl ", "mysql", "sshpass ", "redis-cli ")),
)

_SECRET_RULES = (
    # "password": "…" and password='…', up to the closing quote
    (rf"(?is)({_KEYS}[\"']?\s*(?:=>|:=|[=:])\s*\")(?:[^\"\\]|\\.)+", r"\1[secret]"),
    (rf"(?is)({_KEYS}[\"']?\s*(?:=>|:=|[=:])\s*')(?:[^'\\]|\\.)+", r"\1[secret]"),
    # JSON inside a JSON string: \"password\":\"…\"
    (rf"(?i)({_KEYS}\\+\"\s*:\s*\\+\")[^\"\\]+", r"\1[secret]"),
    # "password": 1234 stays JSON
    (rf"(?i)({_KEYS}\"\s*:\s*)-?[0-9][0-9.]*", r'\1"[secret]"'),
    (rf"(?i)({_KEYS}{_SEPARATED}){_BARE}", r"\1[secret]"),
    # "password: hunter2" in prose, and of the other words only what has a digit: "invalid token: expired"
    (rf"(?i)({_PASSWORDS}\s*:[ \t]+){_BARE}", r"\1[secret]"),
    (rf"(?i)({_KEYS}\s*:[ \t]+){_WITH_DIGIT}", r"\1[secret]"),
    # --password hunter2
    (
        rf"(?i)(--(?:[a-z]{{1,20}}-){{0,3}}(?:{_PASSWORDS}|secret|token|(?:api|access)[_-]?key)"
        rf"[ \t]+){_BARE}",
        r"\1[secret]",
    ),
    (rf"(?i)((?:{_OWNERS})[_-]?pass[\"']?\s*[=:]\s*[\"']?){_BARE}", r"\1[secret]"),
    (r"(?i)((?:^|[^a-z])pass=[\"']?)[^\s\"'&,;<>\\]{6,}", r"\1[secret]"),
    # what programs take on their command line
    (r"(\bcurl\s(?:[^\r\n|;]*\s)?(?:-[a-zA-Z]*u|--user)[ =]?[\"']?[^\s:\"']+:)[^\s\"']+", r"\1[secret]"),
    (r"(\bmysql(?:dump|admin)?\s(?:[^\r\n|;]*\s)?-p[\"']?)[^\s\"'-][^\s\"']*", r"\1[secret]"),
    (r"(\bsshpass\s+-p\s*[\"']?)[^\s\"']+", r"\1[secret]"),
    (r"(\bredis-cli\s(?:[^\r\n|;]*\s)?-a\s+[\"']?)[^\s\"']+", r"\1[secret]"),
    # pwd=… unless it is a directory
    (r"(?i)(pwd[\"']?\s*[=:]\s*[\"']?)[^\s/~.$\"'&,;<>()\[\]{}\\][^\s\"'&,;<>\\)\]}]*", r"\1[secret]"),
)

_SCHEMES = r"(?:bearer|basic|token|digest|negotiate|ntlm|apikey|splunk|aws4-hmac-sha256)"
_AUTHORIZATION_RULES = (
    (
        rf"(?i)(authorization\\*[\"']?\s*[=:]\s*\[?\s*\\*[\"']?\s*{_SCHEMES}\s+)[^\s\"',;\\]+",
        r"\1[authorization]",
    ),
    # Without the header's name only what cannot be prose: "bearer token expired", "basic authentication".
    (
        r"(?i)(\bbearer[ =:]+)(?:[a-z._~+/-]*[0-9][a-z0-9._~+/=-]{7,}|[a-z0-9._~+/=-]{24,})",
        r"\1[authorization]",
    ),
    (r"(?i)(\bbasic\s+)[a-z+/]*[0-9=][a-z0-9+/=]{3,}", r"\1[authorization]"),
    (r"(?i)(\b(?:set-)?cookie\\*[\"']?:\s*\\*[\"']?)[^\r\n\"'\\]+", r"\1[authorization]"),
)

_PEM_NAME = r"[A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?"
_PEM_RULES = (
    (rf"(?s)-----BEGIN {_PEM_NAME}-----.*?-----END {_PEM_NAME}-----", "[private_key]"),
    # The end is missing: up to the end of the text, or of the string in it.
    (rf"-----BEGIN {_PEM_NAME}-----[^\"']*", "[private_key]"),
)

# In the order in which they are applied: what is told by its own form before what is told by its place.
KINDS: tuple[Kind, ...] = (
    Kind("private_key", _plain("-----BEGIN"), _PEM_RULES),
    Kind("jwt", _plain("eyJ"), ((r"\beyJ[\w-]{10,}\.[\w-]{4,}(?:\.[\w-]*){1,3}", "[jwt]"),)),
    Kind(
        "aws_key",
        _plain("AKIA", "ASIA", "ABIA", "ACCA"),
        ((r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b", "[aws_key]"),),
    ),
    Kind(
        "google_key",
        _plain("AIza", "ya29.", "GOCSPX-"),
        ((r"\b(?:AIza[\w-]{35}|ya29\.[\w.-]{20,}|GOCSPX-[\w-]{28})", "[google_key]"),),
    ),
    Kind(
        "azure_key",
        (Mark("Q~"), Mark("sig=", True)),
        (
            (r"\b[\w~.-]{3}[0-9]Q~[\w~.-]{31,34}", "[azure_key]"),
            (r"(?i)([?&;]sig=)[a-z0-9%+/=]{20,}", r"\1[azure_key]"),
        ),
    ),
    Kind(
        "github_token",
        _plain("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
        ((r"\b(?:gh[pousr]_[0-9A-Za-z]{36,255}|github_pat_\w{22,255})", "[github_token]"),),
    ),
    Kind(
        "gitlab_token",
        _plain("glpat-", "gldt-", "glrt-", "glrtr-", "glptt-", "glft-", "glsoat-", "glcbt-", "glimt-",
               "glagent-", "glffct-", "gloas-", "GR1348941"),
        ((r"\b(?:gl(?:pat|dt|rt|rtr|ptt|ft|soat|cbt|imt|agent|ffct|oas)-[\w-]{20,}(?:\.[\w-]+)*"
          r"|GR1348941[\w-]{20})", "[gitlab_token]"),),
    ),
    Kind(
        "slack_token",
        _plain("xoxa-", "xoxb-", "xoxe-", "xoxe.", "xoxo-", "xoxp-", "xoxr-", "xoxs-", "xoxc-", "xoxd-",
               "xapp-", "hooks.slack.com/"),
        (
            (r"\b(?:xox(?:[abcdeoprs]-|e\.)[\w.%-]{10,}|xapp-[0-9]-[\w-]{10,})", "[slack_token]"),
            (r"(hooks\.slack\.com/(?:services|workflows|triggers)/)[\w/+-]{20,}", r"\1[slack_token]"),
        ),
    ),
    Kind(
        "stripe_key",
        _plain("sk_live_", "sk_test_", "rk_live_", "rk_test_", "whsec_"),
        ((r"\b(?:[sr]k_(?:live|test)_[0-9A-Za-z]{10,}|whsec_[0-9A-Za-z+/=]{16,})", "[stripe_key]"),),
    ),
    Kind(
        "registry_token",
        _plain("npm_", "pypi-", "dckr_pat_", "rubygems_"),
        ((r"\b(?:npm_[0-9A-Za-z]{36}|pypi-[\w-]{50,}|dckr_pat_[\w-]{20,}|rubygems_[0-9a-f]{48})",
          "[registry_token]"),),
    ),
    Kind(
        "api_token",
        _plain("sk-", "SG.", "dop_v1_", "doo_v1_", "dor_v1_", "hf_", "hvs.", "hvb.", "hvr.", "glsa_", "glc_",
               "dapi", "shpat_", "shpca_", "shppa_", "shpss_", "AGE-SECRET-KEY-1", "petrel_"),
        ((r"\b(?:sk-(?:proj|ant|svcacct|admin|or)-[\w-]{20,}|sk-[0-9A-Za-z]{32,}|SG\.[\w-]{16,}\.[\w-]{16,}"
          r"|do[opr]_v1_[0-9a-f]{64}|hf_[A-Za-z0-9]{30,}|hv[sbr]\.[\w-]{24,}|glsa_[0-9A-Za-z]{32}_[0-9a-f]{8}"
          r"|glc_[\w+/=]{32,}|dapi[0-9a-f]{32}|shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}|AGE-SECRET-KEY-1[A-Z0-9]{58}"
          r"|petrel_[\w-]{43})", "[api_token]"),),
    ),
    Kind(
        "credentials",
        (),  # found by its own test at every `@`
        ((r"([A-Za-z][A-Za-z0-9+.-]*://)[^\s/:@\"'\\]*:[^\s/@\"'\\]+@", r"\1[credentials]@"),),
    ),
    Kind(
        "authorization",
        (Mark("bearer", True), Mark("basic", True), Mark("authorization", True, True),
         Mark("cookie", True, True)),
        _AUTHORIZATION_RULES,
    ),
    Kind("secret", _SECRET_MARKS, _SECRET_RULES),
    Kind("mail"),
    Kind("card"),
    Kind("iban"),
)  # fmt: skip

KIND_NAMES: tuple[str, ...] = tuple(kind.name for kind in KINDS)
# Kind i is bit i of what a scan says of a row.
BIT_OF: dict[str, int] = {name: 1 << place for place, name in enumerate(KIND_NAMES)}

# A name that ends in one of these, signs left out, is the name of a secret, whatever its value looks like.
SECRET_NAMES: tuple[str, ...] = (
    "password", "passwd", "passphrase", "passcode", "pwd", "secret", "token", "credential", "credentials",
    *(f"{of}key" for of in _KEY_OF),
)  # fmt: skip
AUTHORIZATION_NAMES: tuple[str, ...] = ("authorization", "cookie")
