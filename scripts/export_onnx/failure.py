class Failure(Exception):
    """An error that the user can fix; its text says what and how.

    code is the exit code, with fx's own meanings: 2 usage, 4 model or weights.
    """

    def __init__(self, text, code=2):
        super().__init__(text)
        self.code = code
