"""What the DAGs share: settings of the site, the notebook operator, task bodies, notices, reports.

``dags/`` and ``plugins/`` hold only what Airflow has to find there. No module here imports Spark, Great Expectations or
matplotlib before a task runs.
"""
