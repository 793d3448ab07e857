"""A configuration that Python makes: one route and one upstream for each team.

fastgw routes examples/gateway.py
"""

TEAMS = {"orders": 9001, "users": 9002, "stock": 9003}


def config():
    """What a YAML file would say."""
    return {
        "version": 1,
        "listen": {"http": "127.0.0.1:8080"},
        "upstreams": {team: f"http://127.0.0.1:{port}" for team, port in TEAMS.items()},
        "routes": {
            team: {
                "match": f"/{team}/*",
                "upstream": team,
                "rewrite": {"strip_prefix": f"/{team}"},
            }
            for team in TEAMS
        },
    }
