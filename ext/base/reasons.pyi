#: (name, side, status, retry, decided_by, title, help) a row, in the order of the enum.
REASON_TABLE: tuple[tuple[str, str, int, str, str, str, str], ...]
