"""What is worked out slowly and now and then: an autoregression by statsmodels for each series, and whether it is worth taking.

The engine runs what is found here; this package only finds it. Smoothing parameters by ETS and a daily profile by STL were tried as
well and earned nothing that the engine does not learn by itself.

Importing the package brings nothing but numpy. Its modules bring statsmodels, which takes a second and 150 MiB: they are imported
by a process of their own, ``python -m forecasting.models``.
"""
