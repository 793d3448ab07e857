"""Endpoints, balancers, pools and the codec towards upstreams."""
