//! Every bound of the server, in one place: what a client may send, what a queue may hold, how long anything waits.
//!
//! Constants that are part of a format or of an algorithm stay constants. Those that an operator may set are fields
//! of [`Limits`], whose `Default` holds the defaults that `docs/configuration.md` lists. Relations between them are
//! asserted at compile time below. The bounds of one application stand in its folder.

use super::seat::SEATS;
use super::setting::Values;

/// Most bytes in a batch's body, in the journal and on the wire.
pub const BATCH_BODY_BYTES_MAX: usize = 1024 * 1024;
/// Bytes in a lane's ring; at most one batch's body, so that a whole lane always fits into one batch.
pub const LANE_BYTES: usize = 1024 * 1024;
/// Bytes of a segment, unless set when the data directory is made.
pub const SEGMENT_BYTES_DEFAULT: u64 = 64 * 1024 * 1024;
/// Least bytes of a segment: three largest batches and its header.
pub const SEGMENT_BYTES_MIN: u64 = 4 * 1024 * 1024;
/// Most origins a journal may know: each start of a host that wrote anything is one, and a segment's header names all.
/// A clear names all of them too, and has to fit into a batch.
pub const ORIGINS_MAX: usize = 32_000;
/// Tokens that a file may name: each request is compared with all of them.
pub const TOKENS_MAX: usize = 1_024;
/// Bytes of a file of tokens.
pub const TOKENS_FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Bytes of a token's name.
pub const TOKEN_NAME_BYTES_MAX: usize = 64;
/// Hosts that an identity has room to list.
pub const MEMBERS_MAX: usize = 8;
/// Hosts of which it is logged that they are members or were: as many replacements end in hosts without entries.
pub const MEMBERS_LISTED_MAX: usize = 4_096;
/// Other hosts of which it is kept what they have said.
pub const MEMBERS_HEARD_MAX: usize = SEATS as usize;
/// Silence after which a member that is heard by what it says now and then counts as away, microseconds.
pub const MEMBER_SILENT_US: u64 = 3_000_000;
/// A host of a log that is no member yet, and is not heard for as long, is not waited for: ten minutes, microseconds.
pub const MEMBER_UNLISTED_US: u64 = 600_000_000;
/// Bytes of a member's name.
pub const MEMBER_NAME_BYTES_MAX: usize = 40;
/// Origins from which on the log warns.
pub const ORIGINS_WARN: usize = 1_000;
/// Origins from which on /health says so: 80 % of those that a journal may know.
pub const ORIGINS_ALARM: usize = ORIGINS_MAX / 5 * 4;
/// Finished starts of a node, each of which has logged something, that are folded together: fewer stay named.
pub const FOLD_STARTS_MIN: usize = 4;
/// Looks of the keeper, five a second, from one try to fold to the next.
pub const FOLD_EVERY_LOOKS: u32 = 5;
/// The same after a fold could not be logged.
pub const FOLD_AGAIN_LOOKS: u32 = 300;
/// The most of them that one record names, which has to fit into every lane.
pub const FOLD_STARTS_MAX: usize = 1_000;
/// Hosts that a fold may name: all members but one.
pub const FOLD_HOSTS_MAX: usize = SEATS as usize - 1;
/// The most that a stamp adds to a record for each origin, bytes: the origin, its number, a count.
pub const STAMP_BYTES_PER_ORIGIN: usize = 32;
/// Bytes of the longest record of any application before it is stamped; the registry's test holds applications to it.
pub const RECORD_BYTES_MAX: usize = 16 * 1024 + 64;
/// Least bytes of a lane: the longest record has a place in an empty one.
pub const LANE_BYTES_MIN: usize = RECORD_BYTES_MAX.next_power_of_two();
/// Bytes of batches that one host may have on their way to the other without a word that they were committed there.
pub const PEER_WINDOW_BYTES: usize = 8 * 1024 * 1024;
/// Bytes that arrived from the peer and wait for the commit step: the window, and one batch with its header.
pub const INBOX_BYTES_MAX: usize = PEER_WINDOW_BYTES + BATCH_BODY_BYTES_MAX + 64;
/// Bytes of the peer's batches that one commit step takes, so that this host's own writes do not wait for all of them.
pub const INBOX_STEP_BYTES: usize = 2 * 1024 * 1024;
/// Bytes of this host's batches that wait for a slow peer in memory; beyond that they are read from the journal.
pub const OUTBOX_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Batches whose way to the peer is timed at once; further ones are sent and not timed.
pub const DELAYS_MAX: usize = 16_384;
/// Connections to the peer's port that have not shown who they are; the oldest goes for a further one.
pub const PEER_GREETING_MAX: usize = 16;
/// Bytes read at once when the journal is replayed.
pub const REPLAY_PIECE_BYTES: usize = 1024 * 1024;
/// Bytes a scan of the journal reads ahead.
pub const SCAN_PIECE_BYTES: usize = 256 * 1024;
/// Bytes written at once: when a segment is zero-filled, and at most of what was staged.
pub const WRITE_PIECE_BYTES: usize = 1024 * 1024;
/// Snapshots kept that read well: the newest, and another one should the newest turn out damaged.
pub const SNAPSHOTS_KEPT: usize = 2;
/// Times that a start reads what does not read well, before it takes it for damage.
pub const READ_TRIES_MAX: usize = 3;
/// Copies of torn tails kept; the oldest goes when a further one is made.
pub const TORN_COPIES_MAX: usize = 16;
/// Alignment in bytes of direct writes and of a segment's header.
pub const BLOCK_BYTES: usize = 4096;
/// How long records wait for a commit step to be started while the worker still finds work, in microseconds (decision 0017).
pub const COMMIT_HOLD_US: u64 = 700;
/// The same at most: the worker asks once in a turn, which takes its time too.
pub const COMMIT_HOLD_US_MAX: u64 = 1_000;
/// In `memory`, the longest a committed byte stays out of the file, in milliseconds.
pub const MEMORY_WRITE_MS: u64 = 2;
/// In `memory`, bytes that may be committed and not yet in the file; beyond that writes wait for the disk thread.
pub const UNWRITTEN_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// In `memory`, one commit in so many is timed for /metrics.
pub const INLINE_SAMPLED: u32 = 16;
/// Bytes a worker reads from one connection before it turns to the next one.
pub const READ_TURN_BYTES_MAX: usize = 256 * 1024;
/// How long a connection that is closed listens for more from a client that sends nothing, milliseconds: behind its last
/// answer input is read and dropped until the client's end, because a client that still sends would lose the answer to a
/// reset.
pub const LINGER_PAUSE_MS: u64 = 5_000;
/// The same however much the client sends, milliseconds.
pub const LINGER_MS: u64 = 30_000;
/// The same on a server that ends, milliseconds.
pub const LINGER_DRAINING_MS: u64 = 500;
/// How long a request's head may take that a server hands over in the middle of, milliseconds from the hand-over, or from
/// its first byte if that is later.
pub const HEAD_DRAINING_MS: u64 = 500;
/// Least descriptors kept for the journal, event loops and all else that no request asks for; half of a limit that is very
/// low.
pub const DESCRIPTORS_KEPT: usize = 256;
/// Of those, descriptors of a worker: event loop, waker, timer, some listeners.
pub const DESCRIPTORS_OF_WORKER: usize = 8;
/// Of those, descriptors of a job thread and of the decoder that it may have: pipes and a picture.
pub const DESCRIPTORS_OF_JOB_THREAD: usize = 8;
/// Descriptors that an answer made by a job may have beside its connection: a file, and the socket once more.
pub const DESCRIPTORS_OF_JOB: usize = 2;
/// Descriptors that a body may have beside its connection: the file that it goes to.
pub const DESCRIPTORS_OF_UPLOAD: usize = 1;
/// Time between two tries to accept while there are no descriptors left, milliseconds.
pub const ACCEPT_RETRY_MS: u64 = 100;
/// Least time between two lines in the log about that, milliseconds.
pub const ACCEPT_LOGGED_MS: u64 = 10_000;
/// Bytes of a worker's read buffer, shared by its connections.
pub const READ_BUFFER_BYTES: usize = 64 * 1024;
/// Bytes that are encrypted before they are sent: what a connection that is slow to take its answers holds of them once more.
pub const TLS_PIECE_BYTES: usize = 32 * 1024;
/// Reads of one turn of a handshake; a client's part of it is shorter than so many reads of 4 KiB.
pub const TLS_HANDSHAKE_READS: usize = 8;
/// Of all connections that there may be, this part may be in their handshakes.
pub const TLS_HANDSHAKES_PART: usize = 2;
/// How long a connection of TLS stays open while its server hands over to a successor, which can't go on with it, milliseconds. A
/// client that sends meanwhile is answered, and told to open another one.
pub const TLS_PARTING_MS: u64 = 500;
/// Certificates of one server.
pub const CERTIFICATES_MAX: usize = 64;
/// Bytes of an answer to a challenge of ACME, and more than there are in any.
pub const ACME_ANSWER_BYTES_MAX: u64 = 16 * 1024;
/// Bytes of one piece of a streamed answer.
pub const PIECE_BYTES: usize = 128 * 1024;
/// Bytes that a job thread sends from a file to one connection before the next job gets its turn.
pub const FILE_TURN_BYTES: u64 = 1024 * 1024;
/// Bytes of static content sent to one connection before the others get their turn.
pub const STATIC_PIECE_BYTES: usize = 256 * 1024;
/// Jobs that wait for a job thread; a request beyond that is answered 503.
pub const JOB_QUEUE_MAX: usize = 4096;
/// Bytes of frames that a feed remembers for watchers that come back or are slow; who is further behind loads everything.
pub const FEED_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Frames that it remembers.
pub const FEED_FRAMES_MAX: usize = 4096;
/// Watchers that a worker sends frames to before the other connections get their turn.
pub const WATCHERS_PER_TURN: usize = 64;
/// Frames that are sent to one watcher before the others get their turn.
pub const FRAMES_PER_TURN: usize = 4;
/// Time between two looks of the views at what was committed, milliseconds, unless somebody waits for one: what they tell is
/// gathered for so long.
pub const VIEWS_LOOK_MS: u64 = 100;
/// Time after which a view that could not be made is tried again, milliseconds.
pub const VIEWS_RETRY_MS: u64 = 30_000;
/// Bytes of the journal that stay in memory behind its end, for views; twice as many at most. Files are written round the
/// system's cache, so what follows the journal would read from the disk what has just been written to it.
pub const FRESH_BYTES: usize = 1024 * 1024;
/// Bytes of one part of an upload to a bucket, all of it that is in memory; a smaller content goes in one piece.
pub const BUCKET_PART_BYTES: usize = 8 * 1024 * 1024;
/// Bytes that are read from a bucket at once, and kept for the reads that follow.
pub const BUCKET_WINDOW_BYTES: usize = 512 * 1024;
/// How long one call of a bucket may take, milliseconds.
pub const BUCKET_CALL_MS: u64 = 10_000;
/// How long a call is tried again that a bucket did not answer or refused for the moment, milliseconds.
pub const BUCKET_RETRY_MS: u64 = 15_000;
/// Servers of a shared log that may be named.
pub const SHARED_LOG_SERVERS_MAX: usize = 16;
/// Servers that have to keep a message for a word at `cluster` to outlast the loss of one of them.
pub const SHARED_LOG_REPLICAS_SAFE: usize = 3;
/// Calls that wait for the thread of a shared log's client; beyond that the relay waits.
pub const SHARED_LOG_CALLS_MAX: usize = 64;
/// Events of a shared log that wait for the relay; beyond that its client waits.
pub const SHARED_LOG_EVENTS_MAX: usize = 64;
/// Least bytes that a server of a shared log has to take as one message: the longest answer of a host to another one.
pub const SHARED_LOG_PAYLOAD_BYTES_MIN: usize = 1_200 * 1024;
/// How long a connection to a server of a shared log may take to be made, milliseconds.
pub const SHARED_LOG_CONNECT_MS: u64 = 2_000;
/// How long a question to a shared log may take, milliseconds.
pub const SHARED_LOG_CALL_MS: u64 = 2_000;
/// How often a silent connection to a shared log is tested, milliseconds.
pub const SHARED_LOG_PING_MS: u64 = 2_000;
/// Pause after a failure of a shared log, milliseconds; it doubles.
pub const SHARED_LOG_PAUSE_MS_MIN: u64 = 50;
/// The longest such pause, milliseconds.
pub const SHARED_LOG_PAUSE_MS_MAX: u64 = 1_000;
/// How long a connection that rests on what an earlier one knew goes on while nobody says whether that still holds, milliseconds.
pub const SHARED_LOG_OWED_MS: u64 = 3_000;
/// Pause before a shared log is tried again that an operator has to mend, milliseconds.
pub const SHARED_LOG_REFUSED_MS: u64 = 2_000;
/// How often a shared log is asked which hosts have a stream in it, milliseconds.
pub const SHARED_LOG_LOOK_MS: u64 = 10_000;
/// Such looks from one test of the servers and of this host's stream to the next: an hour.
pub const SHARED_LOG_LOOKS: u32 = 360;
/// Messages of a shared log that are asked for at once.
pub const SHARED_LOG_PULL_MESSAGES: usize = 256;
/// Bytes of messages of a shared log that are asked for at once.
pub const SHARED_LOG_PULL_BYTES: usize = 2 * 1024 * 1024;
/// How long one such request stands, milliseconds.
pub const SHARED_LOG_PULL_MS: u64 = 5_000;
/// How often a server says that it has nothing to send, milliseconds.
pub const SHARED_LOG_HEARTBEAT_MS: u64 = 500;
/// How long a server keeps a consumer that nobody reads from, milliseconds.
pub const SHARED_LOG_CONSUMER_MS: u64 = 30_000;
/// Questions of other hosts that wait for an answer; of more the oldest get none.
pub const SHARED_LOG_QUESTIONS_MAX: usize = 64;
/// Answers to other hosts' questions that are made at once, each by a thread of its own.
pub const SHARED_LOG_ANSWERS_MAX: usize = 2;
/// Bytes that are read of what a server's monitoring says.
pub const SHARED_LOG_MONITOR_BYTES_MAX: u64 = 1024 * 1024;
/// Silence of a bucket that has a shared log in it, after which it is taken to be away, milliseconds.
pub const SHARED_LOG_BUCKET_SILENT_MS: u64 = 3_000;
/// How often a bucket is asked which hosts there are, milliseconds.
pub const SHARED_LOG_BUCKET_LOOK_MS: u64 = 5_000;
/// Messages of a shared log in one object of a bucket: as many as a relay has on their way.
pub const SHARED_LOG_JOINED_MAX: usize = RELAY_FLIGHT_MAX;
/// Bytes of messages in one object of a bucket, but for one message that is longer by itself.
pub const SHARED_LOG_JOINED_BYTES: usize = 1024 * 1024;
/// Names that a bucket lists at once: as many as S3 gives.
pub const SHARED_LOG_LISTED_MAX: usize = 1_000;
/// Objects of one stream that are read from a bucket at once.
pub const SHARED_LOG_READ_MAX: usize = 8;
/// The longest pause between two looks for the next message of a stream in a bucket, milliseconds; the shortest is that after a
/// failure.
pub const SHARED_LOG_POLL_MS_MAX: u64 = 1_000;
/// How often a stream in a bucket is looked at for messages behind a gap, milliseconds.
pub const SHARED_LOG_GAP_LOOK_MS: u64 = 30_000;
/// How often a host writes into a bucket what it tells all others, and reads what they tell, milliseconds: three times in the time
/// after which a host is taken to be away.
pub const SHARED_LOG_VOICE_MS: u64 = 1_000;
/// How often it reads that while hosts ask each other something, milliseconds.
pub const SHARED_LOG_VOICE_BUSY_MS: u64 = 200;
/// How long it reads so often behind a question, milliseconds.
pub const SHARED_LOG_VOICE_BUSY_FOR_MS: u64 = 10_000;
/// Time without a change after which what a host tells is only read when a listing shows another one, milliseconds.
pub const SHARED_LOG_VOICE_SILENT_MS: u64 = 60_000;
/// Beats that an object has by which a host tells something to all others: those of six seconds, of which one is whole.
pub const SHARED_LOG_WORDS_MAX: usize = 12;
/// Most bytes of such an object.
pub const SHARED_LOG_VOICE_BYTES_MAX: usize = RELAY_GREETING_BYTES;
/// Questions to other hosts in a bucket that wait for an answer; of more the oldest get none.
pub const SHARED_LOG_OPEN_QUESTIONS_MAX: usize = 32;
/// How long such a question stands, and how long an answer is held for whoever asks again, milliseconds.
pub const SHARED_LOG_QUESTION_MS: u64 = 30_000;
/// Answers that are held, each of at most [`RELAY_ANSWER_BYTES`].
pub const SHARED_LOG_ANSWERS_HELD_MAX: usize = 8;
/// The longest pause between two looks for an answer in a bucket, milliseconds.
pub const SHARED_LOG_ANSWER_POLL_MS_MAX: u64 = 500;
/// Bytes of one part of a long object on its way into a bucket: the least that S3 takes.
pub const SHARED_LOG_PART_BYTES: usize = 5 * 1024 * 1024;
/// How often objects that are too old, or too many, are removed from a bucket's log, milliseconds.
pub const SHARED_LOG_TRIM_MS: u64 = 60_000;
/// How often old contents beside the log are looked for in a bucket, milliseconds.
pub const SHARED_LOG_SWEEP_MS: u64 = 3_600_000;
/// Bytes of a `multipart/form-data` body that are not the content of its parts.
pub const MULTIPART_FRAMING_BYTES_MAX: usize = 64 * 1024;
/// Bytes of the fields in front of one part.
pub const MULTIPART_HEAD_BYTES_MAX: usize = 8 * 1024;
/// Bytes of a part's name, and of its file's name.
pub const MULTIPART_NAME_BYTES_MAX: usize = 1024;
/// Parts of one form.
pub const MULTIPART_PARTS_MAX: usize = 64;
/// Empty lines tolerated before a request line (RFC 9112, section 2.2).
pub const EMPTY_LINES_MAX: usize = 4;
/// How long before a stop's time is over bodies that still arrive are stopped, milliseconds: what is stored of them is
/// committed and answered meanwhile, and a client that still sends reads its answer before the connection ends. Half of the
/// time, if that is less.
pub const STOP_BODIES_BEFORE_MS: u64 = 2 * LINGER_DRAINING_MS;
/// How often requests that wait for room in a lane are looked at when no commit makes any, milliseconds.
pub const STALL_LOOK_MS: u64 = 10;
/// Bytes of an upload that are handed to a job thread at once, and held in memory until then.
pub const UPLOAD_PIECE_BYTES: usize = 256 * 1024;
/// Most bytes in the payload of a frame between peers: a batch's header and its longest body.
pub const PEER_PAYLOAD_BYTES_MAX: usize = BATCH_BODY_BYTES_MAX + 64;
/// Most bytes in the payload of a HELLO, and of any frame that comes before it is complete.
pub const PEER_HELLO_BYTES_MAX: usize = 1024;
/// Most bytes of the text of a BYE or ERROR.
pub const PEER_TEXT_BYTES_MAX: usize = 1024;
/// Bytes that wait for the connection, beyond which no batch, blob or snapshot is added.
pub const PEER_OUTPUT_BYTES: usize = 256 * 1024;
/// Bytes that wait for the connection, beyond which answers to the peer wait too: it does not read.
pub const PEER_OUTPUT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Time between two looks at how much of the journal is kept, microseconds.
pub const PEER_RETAIN_EVERY_US: u64 = 1_000_000;
/// Blobs that the peer may have asked for and not got yet; it asks for one that a batch waits for and one to mend.
pub const PEER_WANTS_MAX: usize = 16;
/// Blobs that are remembered as sent, so that they don't go twice.
pub const PEER_RECENT_BLOBS: usize = 256;
/// Blobs that came, or are known to be gone, before the batch that names them.
pub const PEER_FRESH_BLOBS_MAX: usize = 32_768;
/// Blobs from the peer that are made durable before the connection gets its heartbeats.
pub const PEER_BLOBS_PER_TURN: u64 = 8;
/// Bytes of the journal that are passed over, because the peer has them, before the connection gets its heartbeats.
pub const PEER_PASSED_BYTES: u64 = 16 * 1024 * 1024;
/// Bytes of one piece of a blob or a snapshot.
pub const PEER_PIECE_BYTES: usize = 256 * 1024;
/// Bytes of blobs that the scrub reads in a second.
pub const SCRUB_BYTES_PER_S: u64 = 4 * 1024 * 1024;
/// Floors in one record of a cut; one of more streams comes in several records.
pub const CUT_FLOORS_MAX: usize = 128;
/// Items of one application that are cut, or looked at, at once: its state is locked meanwhile.
pub const CUT_ITEMS_MAX: usize = 10_000;
/// Time between two looks whether there is more than is to be kept, milliseconds.
pub const CUT_LOOK_MS: u64 = 250;
/// How many times longer that is after a look at as many items as one may see, none of which may go yet.
pub const CUT_HELD_LOOKS: u32 = 40;
/// Bytes of a block of a run, about: what one look at an old item reads.
pub const RUN_BLOCK_BYTES: usize = 16 * 1024;
/// Bits of a run's filter for each key: of a hundred keys that are not there it takes about one for one that is.
pub const RUN_FILTER_BITS: u64 = 10;
/// Runs of about one size that are merged into one.
pub const RUNS_MERGED: usize = 8;
/// Bytes of a run that is not merged with others any more. It can be sent to a peer as a blob.
pub const RUN_BYTES_MAX: u64 = 128 * 1024 * 1024;
/// A run of which more than one item in so many is gone is written again without them.
pub const RUN_GONE_SHARE: u64 = 4;
/// Of the bytes that items may take in memory one in so many stays when the oldest go to the disk: the newest.
pub const YOUNG_KEPT_SHARE: u64 = 4;
/// Items that move to a run at once: the state is locked meanwhile.
pub const RUN_ADOPT_ITEMS: usize = 512;
/// Old items that were removed whose blobs are looked up at once.
pub const RUN_GONE_READ_ITEMS: usize = 2_048;
/// How often the keeper brings back up to so many old items with one look.
pub const RETURN_ROUNDS_MAX: usize = 16;
/// Bytes that the scrub reads at once.
pub const SCRUB_PIECE_BYTES: usize = 128 * 1024;
/// What the scrub counts for opening a blob, bytes: small ones don't come faster than this.
pub const SCRUB_BLOB_BYTES: u64 = 16 * 1024;
/// Time between two rounds of the scrub, microseconds.
pub const SCRUB_PAUSE_US: u64 = 600_000_000;
/// Most bytes of a blob.
pub const BLOB_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Most bytes of a snapshot that a joining host takes.
pub const PEER_SNAPSHOT_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Least time between two looks for new batches to send while nobody waits at `both`, microseconds: what was made
/// meanwhile goes at once, for one waking of either host and one sync of the peer's. Decision 0008 says what other values
/// came to.
pub const PEER_SEND_EVERY_US: u64 = 5_000;
/// How long batches go as they come behind a request at `both`, microseconds.
pub const PEER_HURRY_US: u64 = 1_000_000;
/// Least time between two acknowledgements of what is not yet durable, microseconds.
pub const PEER_ACK_EVERY_US: u64 = 1_000;
/// Bytes of batches after which an acknowledgement doesn't wait for that time.
pub const PEER_ACK_EVERY_BYTES: usize = 64 * 1024;
/// Time between two PINGs, microseconds.
pub const PEER_PING_EVERY_US: u64 = 500_000;
/// Time between two STATEs, microseconds.
pub const PEER_STATE_EVERY_US: u64 = 10_000_000;
/// From the connection to the peer's HELLO and STATE, microseconds; then the connection is closed.
pub const PEER_HELLO_US: u64 = 3_000_000;
/// Silence after which the peer is suspected to be away, microseconds.
pub const PEER_SUSPECT_US: u64 = 2_000_000;
/// Silence after which the connection is closed, microseconds.
pub const PEER_DEAD_US: u64 = 5_000_000;
/// Bytes of batches in one message of a log, but for a batch that is longer by itself: large entries cost a log's servers
/// memory.
pub const RELAY_MESSAGE_BYTES: usize = 256 * 1024;
/// Messages that a relay has on their way to the log.
pub const RELAY_FLIGHT_MAX: usize = 32;
/// Bytes of messages of one stream that a log delivers and the relay has not passed on.
pub const RELAY_CREDIT_BYTES: usize = 2 * 1024 * 1024;
/// Most bytes of an answer that one host gives another one through the log's servers: the longest batch, and some.
pub const RELAY_ANSWER_BYTES: usize = BATCH_BODY_BYTES_MAX + 64 * 1024;
/// Time after which an answer of the log is as good as none, microseconds.
pub const RELAY_LATE_US: u64 = 1_000_000;
/// The least such time where a log is quick, microseconds: a server that stops in order takes with it what it was about to answer, and
/// whoever waits for `cluster` has a second.
pub const RELAY_LATE_US_MIN: u64 = 250_000;
/// Pause before a relay asks the log again, microseconds: it doubles with each try that comes to nothing.
pub const RELAY_PAUSE_US_MIN: u64 = 50_000;
/// The longest such pause, microseconds.
pub const RELAY_PAUSE_US_MAX: u64 = 1_000_000;
/// Silence of a log that owes an answer, after which another of its servers is tried, microseconds.
pub const RELAY_SILENT_US: u64 = 3_000_000;
/// Time without a message that is kept, while some are sent, after which another server is tried, microseconds: longer than the servers
/// of NATS take to elect a leader (4 to 9 s).
pub const RELAY_STALLED_US: u64 = 10_000_000;
/// Time between two beats by which hosts of a log tell that they are there, microseconds.
pub const RELAY_BEAT_EVERY_US: u64 = 500_000;
/// Beats of which one says all that the host has.
pub const RELAY_BEATS_PER_WHOLE: u64 = 10;
/// Hosts of whose beats a relay keeps what they say.
pub const RELAY_MEMBERS_MAX: usize = 1_024;
/// After so many microseconds a member looks whether the log's register still has what it has told.
pub const RELAY_REGISTER_LOOK_US: u64 = 10_000_000;
/// How long a newcomer waits for another host's beat before it takes what the log has for all there is, microseconds.
pub const RELAY_NEWCOMER_US: u64 = 6_000_000;
/// How long a stream may stand still here that another host has more of, before that is asked for, microseconds.
pub const RELAY_LAG_US: u64 = 2_000_000;
/// Questions to other hosts that wait for an answer.
pub const RELAY_ASKS_MAX: usize = 8;
/// Longest pause between two questions for the same records, microseconds.
pub const RELAY_ASK_PAUSE_US_MAX: u64 = 5_000_000;
/// Names of contents in one answer to a newcomer.
pub const RELAY_CONTENTS_MAX: usize = 16 * 1024;
/// Questions of other hosts that wait to be answered; further ones are not.
pub const RELAY_QUESTIONS_MAX: usize = 16;
/// Bytes of pictures that are on their way to the log and not known to be kept.
pub const RELAY_PICTURE_BYTES: usize = 2 * 1024 * 1024;
/// How long hosts that say they don't have a picture are asked again, microseconds: one hands a batch on a moment before its own
/// state names what is in it.
pub const RELAY_UNSURE_US: u64 = 500_000;
/// How long a picture that the log does not give is looked for among the hosts, microseconds.
pub const RELAY_PICTURE_US: u64 = 30_000_000;
/// Most bytes of a host's HELLO and first STATE: all streams that there may be, and as many folded ones.
pub const RELAY_GREETING_BYTES: usize = 8 * 1024 * 1024;
/// How far a batch's time may lie ahead of this host's clock to enter the times of this host's own batches, microseconds:
/// beyond that one of the two clocks is wrong, and a wrong one must not spread.
pub const CLOCK_AHEAD_US_MAX: u64 = 600_000_000;
/// How long a clock that is further ahead than that of what is known has to stand so before an age counts by it, microseconds.
pub const CLOCK_BELIEVED_US: u64 = 600_000_000;
/// How long a clock has to stand still behind this start's own times before a new start begins, microseconds: a clock that
/// was set wrong may be set right the moment after.
pub const CLOCK_SETTLED_US: u64 = 10_000_000;
/// Least time between two asks for a new start because of the clock, microseconds.
pub const CLOCK_ASK_EVERY_US: u64 = 60_000_000;
/// Greatest time that a batch which is sealed here bears, microseconds since 1970 (the year 2255), whatever the clock says;
/// numbers that are made of times stay below 2^53 by it.
pub const BATCH_TIME_US_MAX: u64 = 9_000_000_000_000_000;

/// Bounds that an operator may set; names are those of the `[limits]` table of the configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Request line, bytes; longer is answered 414.
    pub request_line_bytes: usize,
    /// Header block, bytes; longer is answered 431.
    pub header_bytes: usize,
    /// One header field, bytes; longer is answered 431.
    pub header_field_bytes: usize,
    /// Number of header fields; more is answered 431. At most 64.
    pub header_fields: usize,
    /// Body that its path has no use for, bytes; of a longer one no more is read, and the connection ends behind the answer.
    pub unused_body_bytes: usize,
    /// Chunk-size line with its extensions, bytes; longer is answered 400. Signatures of signed uploads fit.
    pub chunk_line_bytes: usize,
    /// Trailers after a chunked body, bytes; longer is answered 431.
    pub trailer_bytes: usize,
    /// From accept to the first byte of a request, milliseconds; then the connection is closed.
    pub first_byte_ms: u64,
    /// From the first byte to the end of the header block, milliseconds; then 408.
    pub header_ms: u64,
    /// Grace before a body's rate is looked at, milliseconds.
    pub body_grace_ms: u64,
    /// Least rate of a body after the grace, bytes per second; below it 408.
    pub body_rate_bytes: u64,
    /// Idle time between requests, milliseconds; then the connection is closed.
    pub idle_ms: u64,
    /// The same when over 80 % of the connections are used.
    pub idle_crowded_ms: u64,
    /// Without progress of a write, milliseconds; then the connection is reset.
    pub write_stall_ms: u64,
    /// Requests of one connection that wait for their commit; beyond that its socket is not read.
    pub pipeline_requests: usize,
    /// Output of one connection that waits for its socket, bytes; beyond that the socket is not read.
    pub output_bytes: usize,
    /// Connections of the whole server; over 95 %, but over all of them when they are fewer than 20, a new one is answered
    /// 503. The limit of open files, less what the server keeps and what answers and bodies have open, bounds it too.
    pub connections: usize,
    /// Connections of one client's address, or of one network of 64 bits of IPv6; beyond that 503. 0 for no bound.
    pub connections_per_address: u32,
    /// Bodies kept in memory by all connections together, bytes; beyond that 503.
    pub buffered_bytes: usize,
    /// How long a full lane holds back a request before it is answered 503, milliseconds.
    pub lane_full_ms: u64,
    /// Requests of one worker that wait for the peer. Beyond that, and what is in its lane then, a write at
    /// `both` is answered 503 before anything is logged.
    pub peer_waiters: usize,
    /// Items of one application in memory, bytes; beyond that the oldest go to the disk.
    pub young_bytes: usize,
    /// The bounds that applications declare in their folders.
    pub apps: Values,
}

/// The bounds where nobody has set others.
pub static DEFAULTS: Limits = Limits {
    request_line_bytes: 8 * 1024,
    header_bytes: 16 * 1024,
    header_field_bytes: 8 * 1024,
    header_fields: 64,
    unused_body_bytes: 4 * 1024,
    chunk_line_bytes: 256,
    trailer_bytes: 4 * 1024,
    first_byte_ms: 10_000,
    header_ms: 10_000,
    body_grace_ms: 5_000,
    body_rate_bytes: 512,
    idle_ms: 15_000,
    idle_crowded_ms: 1_000,
    write_stall_ms: 60_000,
    pipeline_requests: 256,
    output_bytes: 256 * 1024,
    connections: 20_000,
    connections_per_address: 0,
    buffered_bytes: 256 * 1024 * 1024,
    lane_full_ms: 100,
    peer_waiters: 65_536,
    young_bytes: 2 * 1024 * 1024,
    apps: Values::new(),
};

impl Default for Limits {
    fn default() -> Self {
        DEFAULTS.clone()
    }
}

/// In `memory`: most segments that are written to their end and not synced; the writer waits for them beyond that.
pub const UNSYNCED_SEGMENTS_MAX: usize = 16;

/// The first pause before something that the disk refused is tried again, microseconds.
pub const DISK_RETRY_MIN_US: u64 = 200_000;
/// The longest such pause, microseconds.
pub const DISK_RETRY_MAX_US: u64 = 10_000_000;
/// The longest pause before a snapshot is folded again that could not be stored, microseconds: each try reads up to the
/// bytes between two snapshots.
pub const FOLD_RETRY_MAX_US: u64 = 300_000_000;
/// The shortest pause before a snapshot that had no room is folded again because something was logged, microseconds.
pub const FOLD_AGAIN_MIN_US: u64 = 1_000_000;

/// Most header fields a request may have, whatever is set: the size of the parser's table.
pub const HEADER_FIELDS_MAX: usize = 64;

const _: () = {
    assert!(LANE_BYTES <= BATCH_BODY_BYTES_MAX, "a full lane fits into one batch");
    assert!(LANE_BYTES.is_power_of_two(), "positions in the ring are masked");
    assert!(LANE_BYTES_MIN <= LANE_BYTES, "a record fits into every lane");
    assert!(
        RECORD_BYTES_MAX + (ORIGINS_MAX + 1) * STAMP_BYTES_PER_ORIGIN <= BATCH_BODY_BYTES_MAX,
        "whatever is in a lane fits into a batch, stamped"
    );
    assert!(
        SEGMENT_BYTES_MIN as usize >= 3 * (BATCH_BODY_BYTES_MAX + BLOCK_BYTES),
        "a segment holds several batches"
    );
    assert!(SEGMENT_BYTES_DEFAULT >= SEGMENT_BYTES_MIN);
    assert!(
        SEGMENT_BYTES_MIN as usize >= ORIGINS_MAX * 32 + 2 * (BATCH_BODY_BYTES_MAX + BLOCK_BYTES),
        "the longest header leaves room for batches"
    );
    assert!(PEER_WINDOW_BYTES >= 2 * PEER_PAYLOAD_BYTES_MAX, "a largest batch waits beside another");
    assert!(
        8 + ORIGINS_MAX * 32 <= PEER_PAYLOAD_BYTES_MAX,
        "one frame acknowledges every stream, or names where each starts"
    );
    assert!(PEER_PIECE_BYTES + 48 <= PEER_PAYLOAD_BYTES_MAX);
    assert!(RELAY_CREDIT_BYTES > PEER_PAYLOAD_BYTES_MAX && RELAY_ANSWER_BYTES > PEER_PAYLOAD_BYTES_MAX);
    assert!(PEER_PING_EVERY_US < PEER_SUSPECT_US && PEER_SUSPECT_US < PEER_DEAD_US);
    assert!(2 * RUN_BYTES_MAX <= BLOB_BYTES_MAX, "a run is sent as a blob, with its indexes");
    assert!(WRITE_PIECE_BYTES.is_multiple_of(BLOCK_BYTES));
    assert!(SEGMENT_BYTES_DEFAULT.is_multiple_of(BLOCK_BYTES as u64));
};
