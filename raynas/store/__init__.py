"""What has happened in a run, durable: one writer, many readers, SQLite by default and any SQLAlchemy URL.

::

    store = Store.create("runs/digits/search.db", {"seed": 0}, "digits")
    epoch = store.new_epoch("this process")
    store.commit(epoch, [trial], {trial.key.fingerprint: source})
    Store.open("runs/digits/search.db", readonly=True).trials()
"""

from raynas.store.records import Attachment, Epoch
from raynas.store.rows import definition_texts
from raynas.store.schema import SCHEMA_VERSION
from raynas.store.store import Store

__all__ = ["SCHEMA_VERSION", "Attachment", "Epoch", "Store", "definition_texts"]
