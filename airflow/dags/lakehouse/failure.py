"""What is said when a task has failed for good."""

from __future__ import annotations

import json
import logging
from typing import Any

import requests
from airflow.sdk import BaseHook

from lakehouse.submit import is_connected

WEBHOOK = "saleslake_alert_webhook"
"""Connection whose password is the address that takes a JSON `{"text": …}`, as Slack's and Mattermost's hooks do; whoever knows
such an address can post, so it is a secret."""
_TIMEOUT = (5, 10)
_log = logging.getLogger("saleslake.failure")


def told(context: Any) -> dict[str, str]:
    """What a person needs to act: which task, of which run, which try, what it said, where its log is."""
    instance = context["task_instance"]
    return {
        "dag": instance.dag_id,
        "task": instance.task_id,
        "run": str(context.get("run_id") or instance.run_id),
        "try": str(instance.try_number),
        "error": str(context.get("exception") or "").strip().split("\n", 1)[0].rstrip()[:500] or "no message",
        "log": str(getattr(instance, "log_url", "") or ""),
    }


def on_failure(context: Any) -> None:
    """Log one line, and send it to the webhook if there is one. Never raises: the failure itself is what counts."""
    facts = told(context)
    _log.error("task failed for good: %s", json.dumps(facts))
    try:
        if is_connected(WEBHOOK):
            address = BaseHook.get_connection(WEBHOOK).password
            text = f"saleslake: {facts['dag']}.{facts['task']} failed (try {facts['try']}): {facts['error']}\n{facts['log']}"
            requests.post(address, json={"text": text}, timeout=_TIMEOUT).raise_for_status()
    except Exception as e:
        # The class alone: the message of requests holds the address, which is a secret.
        _log.error("the alert could not be sent to %s: %s", WEBHOOK, type(e).__name__)


def on_retry(context: Any) -> None:
    """One line: what failed and that it is tried again."""
    _log.warning("task failed, to be tried again: %s", json.dumps(told(context)))
