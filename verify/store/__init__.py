"""Verdicts in SQLite: the tables that people query, and what the page of a batch is drawn from."""

from .database import OutputError as OutputError
from .database import Refused as Refused
from .database import Store as Store
from .database import discard as discard
from .database import read as read
