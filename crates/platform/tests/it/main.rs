//! The server and the transport, in process and over TCP, with one small service.

// The attribute says that these are tests to clippy too, helpers included.
#[cfg(test)]
mod calls;
#[cfg(test)]
mod drain;
#[cfg(test)]
mod lease;
#[cfg(test)]
mod peers;
#[cfg(test)]
mod probe;
#[cfg(test)]
mod tiny;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod traces;
