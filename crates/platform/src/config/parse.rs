//! Reads a configuration from the arguments and the environment.
//!
//! clap can read variables itself, but neither with a prefix nor from anywhere but the process. So the value of each
//! variable that counts is put in front of the arguments as the flag it stands for, unless that flag is given.

use std::any::TypeId;
use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::path::PathBuf;

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgMatches, Command};

use super::error::{Error, MASK};

/// The variable that has a second name, `<PREFIX>_SERVICE_PORT`.
const PORT: &str = "GRPC_PORT";

/// The subcommand that every program has.
const HEALTHCHECK: &str = "healthcheck";

/// What a program was started for.
#[derive(Debug)]
pub enum Task<C> {
    /// To serve.
    Serve(C),
    /// To tell whether the one that serves with these settings is healthy: see [`crate::healthcheck`].
    HealthCheck(C),
}

/// The task of a program that does nothing but serve; see [`parse`].
pub fn task<C: clap::Parser>(prefix: &str) -> Task<C> {
    or_exit(try_task(prefix, std::env::args_os(), &|name| std::env::var_os(name)))
}

/// The program's configuration from its arguments and environment; `prefix` as in `PRODUCT`. A value that can't be
/// used is one line on stderr and exit code 2; `--help` lists every setting.
pub fn parse<C: clap::Parser>(prefix: &str) -> C {
    or_exit(try_parse(prefix, std::env::args_os(), &|name| std::env::var_os(name)))
}

fn or_exit<T>(outcome: Result<T, Error>) -> T {
    let error = match outcome {
        Ok(value) => return value,
        Err(error) => error,
    };
    if let Error::Command(error) = &error {
        error.exit();
    }
    let _ = writeln!(std::io::stderr(), "{error}");
    std::process::exit(2)
}

/// [`task`] with everything handed in: `args` begin with the program's name.
pub fn try_task<C: clap::Parser>(
    prefix: &str,
    args: impl Iterator<Item = OsString>,
    env: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Task<C>, Error> {
    let about =
        "Exit with 0 if the program that runs with these settings on this machine serves, else with 1";
    let command =
        C::command().subcommand(Command::new(HEALTHCHECK).about(about)).disable_help_subcommand(true);
    let matches = matches(command, prefix, args, env)?;
    let config = C::from_arg_matches(&matches)?;
    Ok(match matches.subcommand_name() {
        Some(HEALTHCHECK) => Task::HealthCheck(config),
        _ => Task::Serve(config),
    })
}

/// [`parse`] with everything handed in: `args` begin with the program's name.
pub fn try_parse<C: clap::Parser>(
    prefix: &str,
    args: impl Iterator<Item = OsString>,
    env: &dyn Fn(&str) -> Option<OsString>,
) -> Result<C, Error> {
    Ok(C::from_arg_matches(&matches(C::command(), prefix, args, env)?)?)
}

fn matches(
    command: Command,
    prefix: &str,
    args: impl Iterator<Item = OsString>,
    env: &dyn Fn(&str) -> Option<OsString>,
) -> Result<ArgMatches, Error> {
    let command = command.clone().after_help(about_prefix(prefix, &command));
    let args: Vec<OsString> = args.collect();
    let (program, given) = args.split_at(args.len().min(1));
    let found: Vec<Found> =
        command.get_arguments().filter_map(|arg| Found::of(arg, prefix, given, env)).collect();

    let mut all = program.to_vec();
    for found in &found {
        all.extend(found.flag()?);
    }
    all.extend(given.iter().cloned());

    let deaf = command.clone().mut_args(|arg| arg.env(Resettable::Reset));
    match deaf.try_get_matches_from(all) {
        Ok(matches) => Ok(matches),
        // Shown by the command that still knows the names of the variables.
        Err(error) if error.kind() == ErrorKind::DisplayHelp => {
            let shown = command.try_get_matches_from(&args);
            Err(Error::Command(shown.err().unwrap_or(error)))
        }
        Err(error) => Err(in_one_line(error, &command, &found)),
    }
}

fn about_prefix(prefix: &str, command: &Command) -> String {
    if prefix.is_empty() {
        return String::new();
    }
    let listens = command.get_arguments().any(|arg| arg.get_env() == Some(OsStr::new(PORT)));
    let alias =
        if listens { format!(" {prefix}_SERVICE_PORT means {prefix}_{PORT}.") } else { String::new() };
    format!(
        "A variable may carry the prefix {prefix}_: {prefix}_LOG_LEVEL wins over LOG_LEVEL.{alias} \
         An empty variable counts as unset."
    )
}

/// A setting found in the environment.
struct Found<'a> {
    arg: &'a Arg,
    long: &'a str,
    variable: String,
    value: OsString,
}

impl<'a> Found<'a> {
    fn of(
        arg: &'a Arg,
        prefix: &str,
        given: &[OsString],
        env: &dyn Fn(&str) -> Option<OsString>,
    ) -> Option<Self> {
        let long = arg.get_long()?;
        if given.iter().any(|word| long_of(&word.to_string_lossy()) == Some(long)) {
            return None;
        }
        let names = names(arg.get_env()?.to_str()?, prefix);
        let set = |name: String| env(&name).filter(|value| !value.is_empty()).map(|value| (name, value));
        let (variable, value) = names.into_iter().find_map(set)?;
        Some(Self { arg, long, variable, value })
    }

    /// The words on the command line that mean the same.
    fn flag(&self) -> Result<Option<OsString>, Error> {
        let mut flag = OsString::from(format!("--{}", self.long));
        if self.arg.get_action().takes_values() {
            // clap would refuse it too, but without saying which one it is.
            let any_bytes = self.arg.get_value_parser().type_id() == TypeId::of::<PathBuf>();
            if !any_bytes && self.value.to_str().is_none() {
                return Err(self.unusable(Some("it is not UTF-8"), help(self.arg)));
            }
            flag.push("=");
            flag.push(&self.value);
            return Ok(Some(flag));
        }
        match self.value.to_string_lossy().to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Ok(Some(flag)),
            "false" | "no" | "off" | "0" => Ok(None),
            _ => Err(self.unusable(None, Some("true or false".to_owned()))),
        }
    }

    fn unusable(&self, cause: Option<&str>, wanted: Option<String>) -> Error {
        let (setting, value) = (self.variable.clone(), shown(self.arg, &self.value));
        Error::Unusable { setting, value, cause: cause.map(str::to_owned), wanted }
    }
}

/// The variables that may hold a setting, the strongest first.
fn names(plain: &str, prefix: &str) -> Vec<String> {
    let mut names = Vec::new();
    if !prefix.is_empty() {
        names.push(format!("{prefix}_{plain}"));
        if plain == PORT {
            names.push(format!("{prefix}_SERVICE_PORT"));
        }
    }
    names.push(plain.to_owned());
    names
}

/// `grpc-port` of `--grpc-port`, `--grpc-port=1` and clap's `--grpc-port <GRPC_PORT>`.
fn long_of(word: &str) -> Option<&str> {
    word.strip_prefix("--")?.split(['=', ' ']).next()
}

fn shown(arg: &Arg, value: &OsStr) -> String {
    if arg.is_hide_env_values_set() { MASK.to_owned() } else { value.to_string_lossy().into_owned() }
}

/// The error about one setting in one line; any other one as clap says it.
fn in_one_line(error: clap::Error, command: &Command, found: &[Found<'_>]) -> Error {
    let unusable = match error.kind() {
        ErrorKind::ValueValidation | ErrorKind::InvalidValue => true,
        ErrorKind::MissingRequiredArgument => false,
        _ => return Error::Command(error),
    };
    let long = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(usage)) => long_of(usage),
        Some(ContextValue::Strings(usages)) => usages.iter().find_map(|usage| long_of(usage)),
        _ => None,
    };
    let Some(arg) = command.get_arguments().find(|arg| arg.get_long().is_some_and(|name| Some(name) == long))
    else {
        return Error::Command(error);
    };
    let wanted = wanted(&error, arg);
    let variable = || arg.get_env().map(|name| name.to_string_lossy().into_owned());
    if !unusable {
        return Error::Missing {
            setting: variable().or_else(|| long.map(str::to_owned)).unwrap_or_default(),
            wanted,
        };
    }
    let setting = match found.iter().find(|found| Some(found.long) == long) {
        Some(found) => found.variable.clone(),
        None => format!("--{}", long.unwrap_or_default()),
    };
    let value = match error.get(ContextKind::InvalidValue) {
        Some(ContextValue::String(value)) => shown(arg, OsStr::new(value)),
        _ => String::new(),
    };
    let secret = arg.is_hide_env_values_set();
    let cause = std::error::Error::source(&error).filter(|_| !secret).map(ToString::to_string);
    Error::Unusable { setting, value, cause, wanted }
}

/// The values possible, or the help text of the setting, which says what it is.
fn wanted(error: &clap::Error, arg: &Arg) -> Option<String> {
    match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(values)) if !values.is_empty() => Some(values.join(" or ")),
        _ => help(arg),
    }
}

fn help(arg: &Arg) -> Option<String> {
    arg.get_help().map(|help| uncapitalised(&help.to_string()))
}

fn uncapitalised(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
