//! The rules of the repository. Each is a pure function from what it looks at to what is wrong there.

#[cfg(test)]
mod arrows;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod files;
#[cfg(test)]
mod manifests;
#[cfg(test)]
mod promises;
#[cfg(test)]
mod security;
#[cfg(test)]
mod stores;
#[cfg(test)]
mod users;
#[cfg(test)]
mod violation;
#[cfg(test)]
mod words;
#[cfg(test)]
mod workspace;
