"""Settings of what Prometheus is told; part of `config`, from which everything else imports them."""

from __future__ import annotations

from pydantic import Field

from saleslake.config_source import Strict

DEFAULT_EXPECT_NEW_HOURS = 24.0


class Monitoring(Strict):
    """Where the batch pushes its metrics to, and where the stream shows its own. All of it is off unless set."""

    pushgateway: str = Field(default="", pattern=r"^(https?://[^\s/@?#]+(/[^\s@?#]*)?)?$")
    """Address of a Pushgateway, `http://pushgateway:9091`; "": nothing is computed and nothing pushed."""
    job: str = Field(default="saleslake", min_length=1)
    """The label `job` of what is pushed. Two lakehouses that share a gateway need two names."""
    push_timeout_seconds: float = Field(default=5.0, gt=0, le=60)
    """How long a push may take. One that fails is a warning in the log, and no more."""
    stream_host: str = "127.0.0.1"
    """The address `/metrics` of the stream listens on."""
    stream_port: int = Field(default=0, ge=0, le=65535)
    """Its port; 0: off. 9464 is the usual one."""
    spark_port: int = Field(default=0, ge=0, le=65535)
    """Port of Spark's own UI in the stream, with Spark's Prometheus endpoints; 0: no UI."""
    expect_new_hours: dict[str, float] = Field(default_factory=dict)
    """Per source, within how many hours something new should land; 0: whenever. Default: 24 for APIs that are asked
    for a window, 0 for the rest."""

    @property
    def spark_conf(self) -> dict[str, str]:
        """What the session needs for Spark's own endpoints."""
        if not self.spark_port:
            return {}
        servlet = "spark.metrics.conf.driver.sink.prometheusServlet"
        return {
            "spark.ui.enabled": "true",
            "spark.ui.port": str(self.spark_port),
            "spark.ui.prometheus.enabled": "true",
            "spark.sql.streaming.metricsEnabled": "true",
            f"{servlet}.class": "org.apache.spark.metrics.sink.PrometheusServlet",
            f"{servlet}.path": "/metrics/prometheus",
            # By default the application's id, so every start would be another set of metrics.
            "spark.metrics.namespace": "saleslake",
        }
