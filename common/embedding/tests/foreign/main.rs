//! Adapter folders from PEFT and AdapterHub: what they hold, what they must give,
//! and what is refused. `backend/tuner/tests/golden/make_adapters.py` makes the
//! folders with those packages, and the embeddings with numpy.

mod arbitrary;
mod read;
mod refused;
mod support;
mod written;
