"""Builds the channel that the settings of a type of effects ask for: each kind, its options, and the secrets it needs.

Secrets are read from the environment variables that the options name, or are keys of the tenant's key store; they
stand in no file of settings and in no record.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bailiwick.errors import UsageRefused
from bailiwick.model import EffectSettings
from bailiwick.ports import Clock, Disk, EffectChannel

NETWORK = {"allow_networks": list, "ca_file": str, "timeout_s": int}
OPTIONS: dict[str, dict[str, type]] = {
    "folder": {},
    "webhook": {
        **NETWORK,
        "url": str,
        "url_parameter": str,
        "hosts": list,
        "plain_http": bool,
        "secret_variable": str,
        "sign": str,
    },
    "email": {
        **NETWORK,
        "host": str,
        "port": int,
        "security": str,
        "user": str,
        "password_variable": str,
        "sender": str,
        "subject": str,
        "to": list,
        "to_parameter": str,
        "domains": list,
    },
    "command": {"command": list, "environment": list, "timeout_s": int},
    "module": {"module": str, "function": str},
}
BOUNDS = {"timeout_s": (1, 600), "port": (1, 65_535)}
PORTS = {"tls": 465, "starttls": 587, "none": 25}
SECRET_CHARACTERS_MIN, SECRET_CHARACTERS_MAX = 16, 4_096
"""Shortest and longest secret of a webhook, in characters."""
SUBJECT_CHARACTERS_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What channels are built from, beside their settings.

    ``sign`` gives what signs with the tenant's own key for effects, ``call_module`` what calls a function of a module
    of the tenant: both are asked only where a channel needs them.
    """

    home: Path
    tenants: Path
    disk: Disk
    clock: Clock
    environ: Mapping[str, str]
    is_frozen: Callable[[], bool]
    sign: Callable[[], Callable[[bytes], str]]
    call_module: Callable[[str, str], Callable[[str, bytes], tuple[Any, str | None]]]


def open_channel(settings: EffectSettings, around: Surroundings) -> EffectChannel:
    """Build a channel; nothing is connected yet.

    Raises:
        UsageRefused: no such kind, an option that it does not have, lacks or cannot use (``effect-settings``), or a
            variable without a secret (``effect-secret``).
    """
    options = _Options(settings, around)
    kinds: dict[str, Callable[[_Options], EffectChannel]] = {
        "folder": _folder,
        "webhook": _webhook,
        "email": _email,
        "command": _command,
        "module": _module,
    }
    return kinds[settings.channel](options)


class _Options:
    """The options of one type of effects, each one that its channel has and of its type."""

    def __init__(self, settings: EffectSettings, around: Surroundings) -> None:
        self.around = around
        self._type = settings.type
        self._given = settings.options
        known = OPTIONS.get(settings.channel)
        if known is None:
            raise self.refused(f"has the channel {settings.channel[:40]!r}; there are: {', '.join(OPTIONS)}")
        for name, value in settings.options.items():
            if name not in known:
                raise self.refused(f"has the option {name}, which a {settings.channel} does not have")
            if type(value) is not known[name]:
                raise self.refused(f"has a {name} of another type than {known[name].__name__}")
            least, most = BOUNDS.get(name, (0, 2**31))
            if type(value) is int and not least <= value <= most:
                raise self.refused(f"has {name} = {value}, which can be {least} to {most}")

    def refused(self, why: str, code: str = "effect-settings") -> UsageRefused:
        """Give the refusal of what the table says."""
        return UsageRefused(
            f"effects.{self._type} {why}", hint="mend the tables under [effects.TYPE] in node.toml", code=code
        )

    def text(self, name: str, default: str = "") -> str:
        """Give an option as text, or its default."""
        return str(self._given.get(name, default))

    def needed(self, name: str) -> str:
        """Give an option that the channel cannot do without."""
        if not self.text(name):
            raise self.refused(f"lacks {name}")
        return self.text(name)

    def number(self, name: str, default: int) -> int:
        return int(str(self._given.get(name, default)))

    def truth(self, name: str) -> bool:
        return self._given.get(name, False) is True

    def texts(self, name: str) -> list[str]:
        value = self._given.get(name, [])
        return value if isinstance(value, list) else []

    def variable(self, name: str, characters_min: int = 1) -> str:
        """Give the secret in the environment variable that an option names; nothing where it names none."""
        variable = self.text(name)
        if not variable:
            return ""
        secret = self.around.environ.get(variable, "").strip()
        if not characters_min <= len(secret) <= SECRET_CHARACTERS_MAX:
            raise self.refused(
                f"takes its secret from the variable {variable[:80]}, which holds {len(secret)} characters of"
                f" {characters_min} to {SECRET_CHARACTERS_MAX}",
                "effect-secret",
            )
        return secret


def _folder(options: _Options) -> EffectChannel:
    from bailiwick.adapters.effectchannel_folder import FolderEffectChannel

    return FolderEffectChannel(options.around.tenants, options.around.disk)


def _webhook(options: _Options) -> EffectChannel:
    from bailiwick.adapters.effectchannel_signature import sign_by_secret
    from bailiwick.adapters.effectchannel_webhook import TIMEOUT_S, Target, WebhookEffectChannel, fixed_target

    hosts, is_plain = [each.lower() for each in options.texts("hosts")], options.truth("plain_http")
    if options.text("url_parameter"):
        if options.text("url") or not hosts:
            raise options.refused("takes its URL from a parameter, so it needs hosts = [...] and no url")
        target = Target(parameter=options.text("url_parameter"), hosts=frozenset(hosts), is_plain_allowed=is_plain)
    else:
        target = fixed_target(options.needed("url"), hosts, is_plain_allowed=is_plain)
    secret = options.variable("secret_variable", SECRET_CHARACTERS_MIN)
    if bool(secret) == (options.text("sign") == "ed25519") or options.text("sign", "ed25519") != "ed25519":
        raise options.refused('is signed either way, by secret_variable = "NAME" or by sign = "ed25519"')
    return WebhookEffectChannel(
        target=target,
        sign=sign_by_secret(secret.encode()) if secret else options.around.sign(),
        clock=options.around.clock,
        is_frozen=options.around.is_frozen,
        timeout_s=options.number("timeout_s", TIMEOUT_S),
        **_network(options),
    )


def _email(options: _Options) -> EffectChannel:
    from bailiwick.adapters.effectchannel_email import (
        RECIPIENTS_MAX,
        TIMEOUT_S,
        EmailEffectChannel,
        Letter,
        is_address,
    )

    security, to, parameter = options.text("security", "starttls"), options.texts("to"), options.text("to_parameter")
    if security not in PORTS:
        raise options.refused(f"has the security {security[:20]!r}; there are: {', '.join(PORTS)}")
    if not 1 <= len(to) <= RECIPIENTS_MAX and not parameter:
        raise options.refused(f"goes to {len(to)} addresses, and can go to 1 to {RECIPIENTS_MAX}")
    if parameter and (to or not options.texts("domains")):
        raise options.refused("takes its recipient from a parameter, so it needs domains = [...] and no to")
    if wrong := [each for each in [options.needed("sender"), *to] if not is_address(each)]:
        raise options.refused(f"has {wrong[0][:80]!r} where an address belongs")
    subject = options.needed("subject")
    if not subject.isprintable() or len(subject) > SUBJECT_CHARACTERS_MAX:
        raise options.refused(f"has a subject of more than one line or {SUBJECT_CHARACTERS_MAX} characters")
    user, password = options.text("user"), options.variable("password_variable")
    if bool(user) != bool(password) or (user and security == "none"):
        raise options.refused("needs user and password_variable together, and neither without TLS")
    return EmailEffectChannel(
        host=options.needed("host"),
        port=options.number("port", PORTS[security]),
        security=security,
        letter=Letter(
            sender=options.text("sender"),
            subject=subject,
            to=tuple(to),
            parameter=parameter,
            domains=frozenset(each.lower() for each in options.texts("domains")),
        ),
        is_frozen=options.around.is_frozen,
        user=user,
        password=password,
        timeout_s=options.number("timeout_s", TIMEOUT_S),
        **_network(options),
    )


def _command(options: _Options) -> EffectChannel:
    from bailiwick.adapters.effectchannel_command import PLACE, TIMEOUT_S, CommandEffectChannel

    command = options.texts("command")
    if not command or not Path(command[0]).is_absolute() or "{" in command[0]:
        raise options.refused('needs command = ["/absolute/path", ...], whose first word is fixed')
    if odd := [word for word in command if "{" in PLACE.sub("", word)]:
        raise options.refused(f"has {odd[0][:80]!r}, in which nothing can be filled in")
    environ, named = options.around.environ, options.texts("environment")
    if missing := [name for name in named if name not in environ]:
        raise options.refused(f"hands on the variable {missing[0][:80]}, which is not set", "effect-secret")
    return CommandEffectChannel(
        command=tuple(command),
        environ={name: environ[name] for name in named},
        timeout_s=options.number("timeout_s", TIMEOUT_S),
    )


def _module(options: _Options) -> EffectChannel:
    from bailiwick.adapters.effectchannel_module import ModuleEffectChannel

    name = options.needed("module")
    return ModuleEffectChannel(name=name, call=options.around.call_module(name, options.needed("function")))


def _network(options: _Options) -> dict[str, Any]:
    """Give what channels over the network share: which addresses they reach, and whose certificates they believe."""
    from bailiwick.adapters.effectchannel_reach import Reach, read_networks
    from bailiwick.adapters.tls import caller_terms

    named = options.text("ca_file")
    ca_file = str(options.around.home / Path(named).expanduser()) if named else None
    try:
        tls = caller_terms(ca_file=ca_file)
    except OSError as error:
        raise options.refused(f"trusts the certificates in {ca_file}, which cannot be read: {error}") from error
    return {"reach": Reach(networks=read_networks(options.texts("allow_networks"))), "tls": tls}
