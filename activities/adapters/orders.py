"""Orders to agents that hold rights of their own, and their answers: each is believed by its signature alone."""

from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import BaseModel, ValidationError

from signals.envelope import Trust
from signals.errors import Refused, Unavailable
from signals.orders import Answered

Ask = Callable[[bytes], Awaitable[bytes]]
"""Brings an order to an agent and its answer back; raises what the agent raised, or `Unavailable`."""


async def carried_out(agent: str, order: str, sealed: BaseModel, trust: Trust, ask: Ask) -> Any:
    """Have a sealed order carried out; return what came of it.

    Raises:
        Unavailable: nobody answers, or not in the agent's words.
        Refused: the answer is not the agent's, or to another order.
        FirebreakError: what the agent raised.
    """
    try:
        answer = Answered.model_validate_json(await ask(sealed.model_dump_json().encode()))
        trust.check_sealed(agent, answer)
    except ValidationError as error:
        raise Unavailable(f"what came back is no answer of the {agent}") from error
    if answer.order != order:
        raise Refused(f"the {agent} answered another order")
    return answer.result
