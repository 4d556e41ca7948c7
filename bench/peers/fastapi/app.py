"""POST /pixel as a FastAPI service that keeps its pixels in Redis."""
import os
from typing import Literal

from fastapi import FastAPI
from pydantic import BaseModel, Field
from redis.asyncio import Redis

app = FastAPI()
store = Redis(unix_socket_path=os.environ["REDIS_SOCKET"])


class Pixel(BaseModel):
    x: int
    y: int
    channel: Literal["R", "G", "B"]
    value: int = Field(ge=0, le=255)


@app.post("/pixel")
async def post_pixel(pixel: Pixel):
    await store.rpush("pixels", pixel.model_dump_json())
    return {"status": "ok"}
