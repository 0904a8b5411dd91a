//! What is done in Redis, each in one step.
//!
//! Each script is right at whatever time it is carried out: a command that was given up as late may come minutes
//! later. And each is right whatever entry was lost meanwhile, be it evicted, expired or flushed, since only who
//! finds an entry of a certain kind may write a cart: a lease or an expected version that still is what it was, or a
//! version that is older; and never where there is nothing.
//!
//! `KEYS`: the user's entry, and the epoch. `ARGV[1]` is a new random name, `ARGV[2]` the identity of the server
//! process. Entries of another epoch count as none. An epoch ends when a process can't say any more which carts it
//! changed, and with the server process: the next one may have loaded a state from before.

use std::sync::LazyLock;

use redis_link::Script;

/// The key of the epoch.
pub(super) const EPOCH: &str = "oxcart:cart:epoch";

macro_rules! script {
    ($(#[$doc:meta])* $name:ident, $body:literal) => {
        $(#[$doc])*
        pub(super) static $name: LazyLock<Script> = LazyLock::new(|| {
            Script::new(concat!(
                "local kept, epoch = redis.call('GET', KEYS[2])
                 if kept and string.sub(kept, 17) == ARGV[2] then
                   epoch = string.sub(kept, 1, 16)
                 else
                   epoch = ARGV[1]
                   redis.call('SET', KEYS[2], epoch .. ARGV[2])
                 end
                 local seen, kind, version = redis.pcall('GET', KEYS[1])
                 if type(seen) == 'string' and string.sub(seen, 2, 17) == epoch then
                   kind = string.sub(seen, 1, 1)
                   version = string.sub(seen, 18, 36)
                 end
                ",
                $body
            ))
        });
    };
}

script!(
    /// The entry, or a lease to fill it. `ARGV`: the milliseconds that the lease is good for.
    LOOK,
    "if kind == 'v' or kind == 't' or kind == 'l' then return seen end
     local lease = 'l' .. epoch .. ARGV[1]
     redis.call('SET', KEYS[1], lease, 'PX', ARGV[3])
     return lease"
);

script!(
    /// Writes what was read from the store after this lease or expected version was found, if that is still there.
    /// `ARGV`: the entry found, version, cart, milliseconds.
    FILL,
    "if (kind ~= 'l' and kind ~= 't') or seen ~= ARGV[3] then return 0 end
     redis.call('SET', KEYS[1], 'v' .. epoch .. ARGV[4] .. ARGV[5], 'PX', ARGV[6])
     return 1"
);

script!(
    /// Keeps out whatever is older than a version that is about to be stored. `ARGV`: version, milliseconds. Where
    /// there is no memory left to note that, there at least must not be an older one. What is expected is named, so
    /// that it can't be mistaken for the same expected once more.
    EXPECT,
    "if kind == 'v' and version >= ARGV[3] then return 0 end
     if kind == 't' and version >= ARGV[3] then return redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
     local set = redis.pcall('SET', KEYS[1], 't' .. epoch .. ARGV[3] .. ARGV[1], 'PX', ARGV[4])
     if set['err'] then redis.call('DEL', KEYS[1]) end
     return 1"
);

script!(
    /// Writes a version that has been stored, in place of what was expected. Who has a lease read the store perhaps
    /// before that, and loses it. `ARGV`: version, cart, milliseconds.
    PUT,
    "if kind == 'l' then return redis.call('DEL', KEYS[1]) end
     if not kind or version > ARGV[3] then return 0 end
     redis.call('SET', KEYS[1], 'v' .. epoch .. ARGV[3] .. ARGV[4], 'PX', ARGV[5])
     return 1"
);

script!(
    /// Removes what can't be read, if it still is what it was. `ARGV`: the entry.
    DISCARD,
    "if seen == ARGV[3] then return redis.call('DEL', KEYS[1]) end
     return 0"
);

/// Begins an epoch.
pub(super) static RENEW: LazyLock<Script> =
    LazyLock::new(|| Script::new("return redis.call('SET', KEYS[2], ARGV[1] .. ARGV[2])"));
