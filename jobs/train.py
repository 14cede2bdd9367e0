"""spark-submit jobs/train.py …  is  mesh train …  on the cluster that spark-submit names."""

from mesh_catalog.cli.main import run_job

if __name__ == "__main__":
    run_job("train")
