"""The benchmark against the peers: ``make bench``, ``sensorstream bench``.

::

    cases -> plants -> order -> contender -> rounds -> figures -> table, picture, docs

``cases`` says what is compared, ``plants`` makes the historians, ``order`` is what a contender is told, ``contender``
starts one as a process of its own, ``rounds`` measures them in turn (with ``usage`` for CPU and memory, ``wire`` for
bytes from PostgreSQL and ``rest`` for bytes in the lake), ``figures`` makes medians and ratios of it.

The contenders themselves are scripts in ``contenders/``: they import nothing of this package, and the peers among them
nothing of SensorStream.
"""
