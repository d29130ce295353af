from .kit import seen

__all__ = ["seen"]
