"""What a user of weights never needs: corpora, tasks, evaluation; ``pip install sedtalker[train]``."""
