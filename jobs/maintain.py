"""spark-submit jobs/maintain.py …  is  mesh maintain …  on the cluster that spark-submit names."""

from mesh_catalog.cli.main import run_job

if __name__ == "__main__":
    run_job("maintain")
