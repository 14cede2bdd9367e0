"""A dbt project becomes data products: read, render, translate, write. What cannot come along is listed."""
