"""Other systems' tables on PostgreSQL, each as a script of SQL that fills them from the simulated plant."""
