"""Orders in PostgreSQL or SQLite with SQLAlchemy. The tables are made at import, as in SQLAlchemy's own tutorial."""

import os
from pathlib import Path

from flask import Flask, request
from sqlalchemy import create_engine, func, literal, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

STATE = Path(__file__).resolve().parent.parent / "state"
engine = create_engine(os.environ.get("DATABASE_URL", f"sqlite:///{STATE}/orders.db"))


class Base(DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int]
    worker: Mapped[int]


Base.metadata.create_all(engine)
app = Flask(__name__)


@app.get("/check")
def check():
    number = request.args.get("number", type=int)
    with Session(engine) as session:
        session.add(Order(number=number, worker=os.getpid()))
        session.commit()
    with Session(engine) as session:
        # An answer to somebody else's question would be another number.
        assert session.scalar(select(literal(number))) == number
        assert session.scalar(select(func.count()).where(Order.number == number)) >= 1
    return {"worker": os.getpid()}


@app.get("/report")
def report():
    with Session(engine) as session:
        return {"numbers": list(session.scalars(select(Order.number)))}
