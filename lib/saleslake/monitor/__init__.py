"""What Prometheus is told: of runs and tables through a Pushgateway, of the stream by its own /metrics."""
