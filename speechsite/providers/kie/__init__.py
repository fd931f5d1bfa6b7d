"""kie.ai: `adapter` calls, `answers` reads what came back, `voices` lists the voices."""

from speechsite.providers.kie.adapter import Kie

__all__ = ["Kie"]
