"""What the DAGs share. Neither pyspark nor saleslake is imported here: jobs are started by their paths."""
