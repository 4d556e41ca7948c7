//! The bounds of agents and of the master that directs them.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Port of an agent unless set.
pub const PORT: u16 = 8098;
/// Agents of one run.
pub const AGENTS_MAX: usize = 64;
/// Bytes of a token, without spaces and line ends around it: what is shorter can be guessed.
pub const TOKEN_BYTES: RangeInclusive<usize> = 16..=1024;
/// Bytes of a file that holds a token or a key.
pub const SECRET_FILE_BYTES_MAX: u64 = 8 * 1024;

/// Connections at once that have not shown that they come from a master.
pub const STRANGERS_MAX: usize = 16;
/// Longest time from a connection to the end of its greetings.
pub const GREETING_WAIT: Duration = Duration::from_secs(5);
/// Longest line before the greetings are over.
pub const GREETING_BYTES_MAX: usize = 4 * 1024;
/// Least time between two lines on stderr about strangers.
pub const STRANGERS_TOLD_EVERY: Duration = Duration::from_secs(1);

/// Longest line that an agent takes from its master: an order with all its bodies.
pub const ORDER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Longest line that a master takes from an agent.
pub const FIGURES_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most that waits to be sent to one who does not read.
pub const UNSENT_BYTES_MAX: usize = 2 * ORDER_BYTES_MAX;
/// Unsent bytes above which an agent waits before it says more.
pub const UNSENT_BYTES_ENOUGH: usize = FIGURES_BYTES_MAX;
/// Words of 64 acknowledged numbers in one message.
pub const WORDS_MAX: usize = 32 * 1024;
/// Acknowledged numbers of one thread: those that `x` of a pixel has.
pub const NUMBERS_MAX: u64 = 1 << 31;
/// Longest text from the other side that is shown.
pub const TEXT_CHARS_MAX: usize = 1000;
/// Largest count of anything, so that sums over all agents stay sums.
pub const COUNT_MAX: u64 = 1 << 50;
/// Latest interval that has figures.
pub const INTERVAL_MAX: u64 = 1 << 33;
/// Reasons, examples and kinds of requests in one message, each.
pub const ENTRIES_MAX: usize = 1024;

/// Longest time from an order to the agent's word that it is ready: its name look-up and its connections.
pub const READY_WAIT: Duration = Duration::from_secs(20);
/// How often each side says something.
pub const ALIVE_EVERY: Duration = Duration::from_millis(400);
/// Longest silence while a run runs; then the other side is taken for dead.
pub const SILENCE_MAX: Duration = Duration::from_secs(6);
/// Longest wait for the figures of an agent that was told to stop.
pub const STOP_WAIT: Duration = Duration::from_millis(800);
/// Longest time that an agent may need for its end beyond the plan: what is in flight, and the figures.
pub const END_WAIT: Duration = Duration::from_secs(10);
/// Round trips of which the shortest counts.
pub const PINGS: u64 = 5;
/// Time between the word to start and the start, beside the longest round trip.
pub const START_LEAD: Duration = Duration::from_millis(50);
/// Longest time from the word to start to the start.
pub const START_LEAD_MAX: Duration = Duration::from_secs(10);
/// How often loops look at what else there is.
pub const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Longest row of the time series, nanoseconds: what the live line and `--abort-if` see comes at least so often.
pub const INTERVAL_NS_MAX: u64 = 500_000_000;

/// Threads of one agent.
pub const THREADS_MAX: usize = 4096;
/// Connections of a run, and requests in flight on one.
pub const CONNECTIONS_MAX: usize = 10_000_000;
/// How often one of several requests comes in a turn.
pub const WEIGHT_MAX: u64 = 10_000_000;
/// Longest time in an order, nanoseconds: thirty years.
pub const TIME_NS_MAX: u64 = 1_000_000_000_000_000_000;
