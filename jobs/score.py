"""spark-submit jobs/score.py …  is  mesh score …  on the cluster that spark-submit names."""

from mesh_catalog.cli.main import run_job

if __name__ == "__main__":
    run_job("score")
