"""spark-submit jobs/run.py …  is  mesh run …  on the cluster that spark-submit names."""

from mesh_catalog.cli.main import run_job

if __name__ == "__main__":
    run_job("run")
