//! Guards what the compiler does not: who may depend on whom, how long a file may be, which words stay out
//! of the repository. The rules are tests, under `tests/it`, and each has a test of its own that plants a
//! violation and sees it found.
