"""Connections of workers, listed for the control process: a question passed on, its answer
passed back, or said to be missing."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastgw.master.messages import Message
from fastgw.master.process import WorkerProcess
from fastgw.master.workforce import Workforce

#: A worker that has not answered by then does not.
ANSWER_S = 2.0

Answer = Callable[..., None]


@dataclass
class _Question:
    """Who is asked, who wants to know, and until when."""

    worker: WorkerProcess
    answer: Answer
    end_s: float


class ConnectionQuestions:
    """Questions under way; `look_at_clock` is called every round."""

    def __init__(self, workforce: Workforce) -> None:
        self.workforce = workforce
        self._asked: dict[int, _Question] = {}
        self._number = 0
        workforce.told["connections"] = self.told

    def ask(self, message: dict[str, Any], answer: Answer) -> None:
        """Ask a worker, `pid`, for `limit` connections behind `after`."""
        pid = message["pid"]
        worker = next((w for w in self.workforce.everyone() if w.pid == pid), None)
        self._number += 1
        asked = {"id": self._number, "after": message["after"], "limit": message["limit"]}
        if worker is None or not worker.send("connections", **asked):
            answer(ok=False, gone=True)
            return
        end_s = time.monotonic() + ANSWER_S
        self._asked[self._number] = _Question(worker, answer, end_s)

    def told(self, _worker: WorkerProcess, message: Message) -> None:
        """A worker answers."""
        question = self._asked.pop(message["id"], None)
        if question is not None:
            question.answer(ok=True, connections=message["connections"])

    def look_at_clock(self) -> None:
        """Give up those that take too long, or whose worker is gone."""
        now_s = time.monotonic()
        for number, question in list(self._asked.items()):
            if question.end_s < now_s or question.worker.control is None:
                del self._asked[number]
                question.answer(ok=False, gone=question.worker.control is None)
