"""`fastgw demo`: two sample services, a gateway before them, and what to try with curl."""
