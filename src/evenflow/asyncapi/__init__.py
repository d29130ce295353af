"""What subjects send, as an AsyncAPI 3.0 document: for the people who read the events in another language.

    _subjects     what is documented: subjects and their classes
    _wire_schema  the JSON Schema of what the log's codec writes
    _draft07      the same in the words that AsyncAPI takes
    _accepts      whether a JSON value is valid
    _examples     events that are valid
    _document     the document
    _merged       schemas with their references looked up, and parts joined
    _contained    why a schema allows more than another one
    _limits       the same for lengths, ranges and patterns
    _breaking     which changes between two documents break whoever reads or publishes

``document`` is the whole interface; the command ``evenflow asyncapi`` prints it, and compares it with an older one.
"""

from ._document import document

__all__ = ["document"]
