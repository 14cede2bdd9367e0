"""Packaging of mesh-catalog. Tool settings: pyproject.toml. Tested versions: conf/constraints.txt."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "([^"]+)"', (HERE / "mesh_catalog/__init__.py").read_text(encoding="utf-8"))
assert VERSION

REQUIRES = [
    "alembic>=1.13",
    "apprise>=2",
    "click>=8.1",
    "datasketches>=5.2",
    "delta-spark==4.4.0",
    "deltalake>=1.6",
    "evidently==0.7.23",
    "Jinja2>=3.1.6",
    "jsonschema>=4.23",
    "matplotlib>=3.8",
    "mlflow==3.17.2",
    "numpy>=2",
    "open-data-contract-standard==3.2.0",
    "openlineage-python>=1.40,<2",
    "pandas>=2.2,<3",
    "pyarrow>=18",
    "pyspark==4.2.0",
    "PyYAML>=6",
    "scikit-learn>=1.5",
    "scipy>=1.13",
    "SQLAlchemy>=2.0.30",
    "sqlglot>=26,<31",
    "starlette>=0.40",
    "uvicorn>=0.30",
    "xgboost-cpu==3.2.0",
]
EXTRAS = {
    "polars": ["polars>=1.0"],
    "postgres": ["psycopg[binary]>=3.2"],
    "dev": [
        "detect-secrets>=1.5",
        "hypothesis>=6.100",
        "import-linter>=2",
        "mypy>=1.11",
        "prometheus_client>=0.20",
        "polars>=1.0",
        "pytest>=8",
        "pytest-xdist>=3.6",
        "ruff>=0.6",
        "types-jsonschema",
        "types-PyYAML",
    ],
}
EXTRAS["all"] = EXTRAS["polars"] + EXTRAS["postgres"]

setup(
    name="mesh-catalog",
    version=VERSION[1],
    description="A data mesh on Spark and Delta: governed data products, and models that are monitored and retrained",
    long_description=(HERE / "README.md").read_text(encoding="utf-8") if (HERE / "README.md").exists() else "",
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    packages=find_packages(include=["mesh_catalog", "mesh_catalog.*"]),
    package_data={
        "mesh_catalog": [
            "py.typed",
            "**/*.properties",
            "**/*.json",
            "**/*.mako",
            "**/*.yaml",
            "**/*.ini",
            "**/templates/*",
            "**/templates/**/*",
        ]
    },
    install_requires=REQUIRES,
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["mesh = mesh_catalog.cli.main:main"]},
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Operating System :: POSIX",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Database",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
)
