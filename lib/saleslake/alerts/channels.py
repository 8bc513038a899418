"""Sends one message by SMTP or to a webhook: within a bounded time, tried twice, its errors free of secrets."""

from __future__ import annotations

import html
import json
import smtplib
import ssl
from collections.abc import Callable
from contextlib import suppress
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from urllib.parse import urlsplit

import requests
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_fixed

from saleslake.alerts.message import Message
from saleslake.config import Settings
from saleslake.config_alerts import Smtp, Webhook
from saleslake.errors import SaleslakeError, first_line

Send = Callable[[Message], str]
"""Sends a message and returns what happened, in one line. Raises NotSent."""
_PAUSE_SECONDS = 0.5
_ANSWER_SHOWN = 200


class NotSent(SaleslakeError):
    """The message did not arrive, or not at everybody; says where and why."""


class _Again(Exception):
    """May go better a moment later."""


def channels(settings: Settings) -> dict[str, Send]:
    """What is configured, by the name of its setting."""
    own = settings.alerts
    found: dict[str, Send] = {}
    # Both tries and the pause between them fit into the time that a run waits, with some to spare.
    seconds = max(0.1, 0.45 * (own.timeout_seconds - _PAUSE_SECONDS))
    if own.smtp is not None:
        smtp = own.smtp
        found["alerts.smtp"] = lambda message: _by_mail(settings, smtp, message, seconds)
    if own.webhook is not None:
        webhook = own.webhook
        found["alerts.webhook"] = lambda message: _by_webhook(settings, webhook, message, seconds)
    return found


def _twice(send: Callable[[], str], setting: str) -> str:
    retrying = Retrying(
        stop=stop_after_attempt(2),
        wait=wait_fixed(_PAUSE_SECONDS),
        retry=retry_if_exception_type(_Again),
        reraise=True,
    )
    try:
        return retrying(send)
    except _Again as e:
        raise NotSent(f"{setting}: {e} (tried twice)") from None


# --- mail ----------------------------------------------------------------------------------------------


def _by_mail(settings: Settings, smtp: Smtp, message: Message, seconds: float) -> str:
    password = ""
    if smtp.password_env:
        password = settings.secret(smtp.password_env, "alerts.smtp.password_env").get_secret_value()
    context, mail = _trust(settings, smtp), as_mail(smtp, message)
    return _twice(lambda: _deliver(smtp, password, mail, context, seconds), "alerts.smtp")


def _trust(settings: Settings, smtp: Smtp) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if smtp.ca_file:
        path = settings.resolve(smtp.ca_file)
        try:
            context.load_verify_locations(path)
        except (OSError, ssl.SSLError) as e:
            raise NotSent(f"alerts.smtp.ca_file: {path}: {first_line(e)}: give a file of certificates in PEM") from None
    return context


def as_mail(smtp: Smtp, message: Message) -> EmailMessage:
    """The message as an e-mail. Its id stays the same when it is tried again."""
    mail = EmailMessage()
    mail["From"] = smtp.sender
    mail["To"] = ", ".join(smtp.recipients)
    mail["Subject"] = message.subject
    mail["Date"] = formatdate(usegmt=True)
    # The domain is given, because asking for this machine's own may take a name server's time.
    mail["Message-ID"] = make_msgid("saleslake", smtp.sender.rpartition("@")[2])
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.body, cte="quoted-printable")
    return mail


def _deliver(smtp: Smtp, password: str, mail: EmailMessage, context: ssl.SSLContext, seconds: float) -> str:
    where = "{}:{}".format(*smtp.address)
    try:
        refused = _through(_connected(smtp, context, seconds), smtp, password, mail)
    except smtplib.SMTPAuthenticationError as e:
        who = f"user {smtp.username} with the password in {smtp.password_env}"
        raise NotSent(f"alerts.smtp: {where} does not accept {who} (answer {e.smtp_code})") from None
    except smtplib.SMTPRecipientsRefused as e:
        refused = e.recipients
    except smtplib.SMTPResponseException as e:
        problem = f"{where} answers {e.smtp_code} {_text(e.smtp_error)}"
        if 400 <= e.smtp_code < 500:
            raise _Again(problem) from None
        raise NotSent(f"alerts.smtp: {problem}") from None
    except smtplib.SMTPNotSupportedError as e:
        raise NotSent(f"alerts.smtp: {where}: {first_line(e)} See alerts.smtp.tls and alerts.smtp.username") from None
    except ssl.SSLCertVerificationError as e:
        fix = "name the certificate to trust in alerts.smtp.ca_file"
        raise NotSent(f"alerts.smtp: {where}: TLS verification failed: {e.verify_message}; {fix}") from None
    except (OSError, EOFError) as e:  # smtplib's other errors are OSErrors, too
        raise _Again(f"{where}: {type(e).__name__}: {first_line(e)}") from None
    if refused:
        each = "; ".join(f"{address}: {code} {_text(answer)}" for address, (code, answer) in refused.items())
        raise NotSent(f"alerts.smtp: {where} refuses {each}")
    return f"sent to {', '.join(smtp.recipients)} by {where}"


def _through(server: smtplib.SMTP, smtp: Smtp, password: str, mail: EmailMessage) -> dict[str, tuple[int, bytes]]:
    """Hands the mail over; the recipients that are refused while others are not."""
    try:
        if password:
            server.login(smtp.username, password)
        refused = server.send_message(mail)
        with suppress(OSError):  # it has the mail: no reason to send another
            server.quit()
        return refused
    finally:
        server.close()


def _connected(smtp: Smtp, context: ssl.SSLContext, seconds: float) -> smtplib.SMTP:
    host, port = smtp.address
    # As with the message id: smtplib would ask a name server who we are.
    name = smtp.sender.rpartition("@")[2]
    if smtp.tls == "tls":
        return smtplib.SMTP_SSL(host, port, local_hostname=name, timeout=seconds, context=context)
    server = smtplib.SMTP(host, port, local_hostname=name, timeout=seconds)
    if smtp.tls == "starttls":
        try:
            server.starttls(context=context)
        except BaseException:
            server.close()
            raise
    return server


def _text(answer: bytes | str) -> str:
    text = answer.decode("utf-8", errors="replace") if isinstance(answer, bytes) else answer
    return " ".join(text.split())[:_ANSWER_SHOWN]


# --- webhook -------------------------------------------------------------------------------------------


def _by_webhook(settings: Settings, webhook: Webhook, message: Message, seconds: float) -> str:
    url = settings.secret(webhook.url_env, "alerts.webhook.url_env").get_secret_value().strip()
    try:
        parts = urlsplit(url)
        host = parts.hostname if parts.scheme in ("http", "https") else None
    except ValueError:
        host = None
    if not host:
        raise NotSent(f"alerts.webhook: the value of {webhook.url_env} is no http:// or https:// address")
    body = json.dumps(as_json(webhook, message)).encode()
    return _twice(lambda: _post(url, host, body, seconds), "alerts.webhook")


def as_json(webhook: Webhook, message: Message) -> dict[str, object]:
    """The body of the POST."""
    if webhook.format == "json":
        return {"subject": message.subject, "text": message.body, **message.facts}
    # Slack reads <…> as a link or a call to everybody, and an error may quote anything.
    return {"text": html.escape(f"*{message.subject}*\n{message.body}", quote=False)}


def _post(url: str, host: str, body: bytes, seconds: float) -> str:
    """What requests says of a failure quotes the address, which is a secret: only its kind is told."""
    try:
        with requests.post(
            url,
            data=body,
            headers={"Content-Type": "application/json"},
            # None from .netrc, and no redirect: the address is for its own host alone.
            auth=lambda request: request,
            allow_redirects=False,
            timeout=seconds,
            stream=True,
        ) as response:
            status = response.status_code
            if 200 <= status < 300:
                return f"sent to {host} (HTTP {status})"
            answer = _text(next(response.iter_content(_ANSWER_SHOWN), b""))
    except requests.exceptions.SSLError:
        raise NotSent(f"alerts.webhook: {host}: TLS verification failed") from None
    except requests.RequestException as e:
        raise _Again(f"{host}: {type(e).__name__}") from None
    problem = f"{host} answers HTTP {status} {answer}".rstrip()
    if status in (408, 429) or status >= 500:
        raise _Again(problem)
    raise NotSent(f"alerts.webhook: {problem}")
