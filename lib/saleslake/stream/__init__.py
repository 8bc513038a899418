"""The streaming job: events of any input to bronze, and by the batch's own functions to silver and gold."""
