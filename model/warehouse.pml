/*
 * The daemon's protocol: Kafka's transaction and group coordinators, the logs
 * `commands` and `notifications`, and one or two processes of the daemon with
 * a SQLite database each.  What runs there are, and what they show: README.md.
 *
 * A phase of a process is named after the step that is due next; which function
 * of the code that is, ARCHITECTURE.md says.
 * Every step is atomic; everything that another party can come between is a
 * step of its own.  Properties are asserted where they can become false: when
 * a transaction is decided, when a database changes, and when nothing can
 * happen any more.
 */

/* ---- what a run chooses ------------------------------------------------ */

#ifndef COMMANDS
#define COMMANDS  1        /* which list of commands, see init */
#endif
#ifndef DAEMONS
#define DAEMONS   1        /* processes: 1 or 2 */
#endif
#ifndef SCALE
#define SCALE     0        /* 1: a transactional.id for each, partitions move */
#endif
#ifndef BATCH
#define BATCH     2        /* commands in a batch, at most: 1 or 2 */
#endif
#ifndef CHUNK
#define CHUNK     99       /* notifications in one transaction of wh_follow */
#endif
#ifndef OFFSETSFIRST
#define OFFSETSFIRST  0    /* 1: offsets are sent before the notifications */
#endif
#ifndef OUTCOMES
#define OUTCOMES  0        /* 1: databases tell what became of commands */
#endif
#ifndef LOG
#define LOG       14       /* room in `notifications`; asserted to suffice */
#endif

/* Budgets: how often a fault may happen. */

#ifndef CRASH
#define CRASH     0        /* a process dies, at any step */
#endif
#ifndef REBALANCE
#define REBALANCE 0        /* a new generation, which daemons learn of later */
#endif
#ifndef LATE
#define LATE      0        /* a copy of EndTxn arrives late */
#endif
#ifndef TIMEOUT
#define TIMEOUT   0        /* a transaction times out under a live process */
#endif
#ifndef RESTORE
#define RESTORE   0        /* a database is replaced by an older copy */
#endif
#ifndef LOSE
#define LOSE      0        /* a database is removed */
#endif
#ifndef FORGET
#define FORGET    0        /* the group's offset is lost */
#endif
#ifndef COMPACT
#define COMPACT   0        /* `notifications` is compacted */
#endif
#ifndef HASTY
#define HASTY     0        /* wh_session_replaced gives up before it knows */
#endif
#ifndef OLDJOIN
#define OLDJOIN   0        /* a JoinGroup of our own arrives after a newer one */
#endif
#ifndef UNTOLD
#define UNTOLD    0        /* brokers do not say where notifications are */
#endif
#ifndef WRITER
#define WRITER    0        /* somebody else changes an item; 0 or 1 */
#endif

/* Safeguards removed, explained in README.md; 1: it is missing. */

#ifndef NO_KAFKA_FIRST
#define NO_KAFKA_FIRST   0
#endif
#ifndef NO_HIGH
#define NO_HIGH          0
#endif
#ifndef NO_GENERATION
#define NO_GENERATION    0
#endif
#ifndef NO_STABLE
#define NO_STABLE        0
#endif
#ifndef NO_ORDER
#define NO_ORDER         0
#endif
#ifndef NO_SUSPECT
#define NO_SUSPECT       0
#endif
#ifndef NO_SOURCE
#define NO_SOURCE        0
#endif
#ifndef NO_MAX
#define NO_MAX           0
#endif
#ifndef NO_VERSION
#define NO_VERSION       0
#endif
#ifndef NO_FOLLOWED
#define NO_FOLLOWED      0
#endif
#ifndef NO_FOREIGN
#define NO_FOREIGN       0
#endif
#ifndef NO_KEYS
#define NO_KEYS          0
#endif
#ifndef NO_GUARD
#define NO_GUARD         0
#endif
#ifndef NO_FENCE
#define NO_FENCE         0
#endif
#ifndef NO_STORED
#define NO_STORED        0
#endif
#ifndef NO_MEMBERS
#define NO_MEMBERS       0
#endif
#ifndef NO_LOOKS
#define NO_LOOKS         0
#endif
#ifndef NO_MARKER
#define NO_MARKER        0
#endif
#ifndef NO_RECOVERY
#define NO_RECOVERY      0
#endif
#ifndef NO_REREAD
#define NO_REREAD        0
#endif
#ifndef NO_PATIENCE
#define NO_PATIENCE      0
#endif

/* A run that must find its "error": everything done, all faults spent. */

#ifndef REACH
#define REACH            0
#endif


/* ---- Kafka ------------------------------------------------------------- */

mtype = { EMPTY, ONGOING, PREPARE_COMMIT, PREPARE_ABORT,
          COMPLETE_COMMIT, COMPLETE_ABORT };

#define TID(d)      ((d) * SCALE)               /* transactional id of d */
#define PREPARING(t) \
    (txn[t].st == PREPARE_COMMIT || txn[t].st == PREPARE_ABORT)

typedef Transaction {
    mtype  st = EMPTY;
    bit    notifications;     /* partitions added, without their marker yet */
    bit    offsets;
    bit    late;              /* a copy of EndTxn(commit) is on its way */
    byte   pending[2];        /* offsets sent, by partition; 0: none */
};

Transaction  txn[2];

/* The log `notifications`. */

#define OPEN        1         /* records: their transaction is not decided */
#define COMMITTED   2
#define COMPACTED   3         /* committed and deleted since */
#define ABORTED     4
#define MARKER      5

typedef Record {
    unsigned  st : 3;
    unsigned  tid : 1;
    unsigned  command : 3;    /* the source: partition * 4 + offset */
    unsigned  stock : 5;
    unsigned  version : 3;
};

Record  n[LOG];
byte    high;                 /* its high watermark */
byte    lso;                  /* its last stable offset */

#define DECIDED(k) \
    (n[k].st == COMMITTED || n[k].st == COMPACTED \
     || (n[k].st == OPEN && txn[n[k].tid].st == PREPARE_COMMIT))

/* The log `commands`: fixed, set up by init and never changed. */

#define COMMAND(p, o)  ((p) * 4 + (o))

hidden byte  decrease[8];
hidden byte  sku[8];
hidden byte  qty[8];
hidden byte  key[8];          /* 0: none */
hidden byte  end_of[2];       /* length of each partition */

/* The group. */

byte  committed[2];           /* offset of each partition */
byte  holder;                 /* one owner: who has the group.instance.id */

#define GHOST       2         /* nobody: a JoinGroup whose sender gave it up */

byte  owner[2];               /* scale: who has the partition */


/* ---- the daemons ------------------------------------------------------- */

mtype = { session_open,       /* not running, or about to open a session */
          publisher_open,     /* init_transactions, until nothing is open */
          client_committed,   /* wh_recover: the group's offsets */
          watermarks,         /* wh_recover: the high watermark */
          follow,             /* wh_follow */
          recover_positions,  /* wh_recover_positions */
          session_join,       /* wh_session_join, the assignment arrives */
          session_poll,       /* wh_session_poll */
          batch_write,        /* wh_store_begin, wh_batch_write */
          publisher_send,     /* wh_publisher_send */
          send_offsets,       /* send_offsets_to_transaction */
          commit_transaction,
          store_commit,       /* wh_store_commit */
          session_replaced,   /* fenced: by another process? */
          stopped };          /* for good: another process is the owner */

typedef Session {
    mtype  ph = session_open;
    bit    newest;            /* our producer has the newest epoch */
    bit    valid;             /* our group metadata has the last generation */
    bit    joined;
    bit    suspect;           /* wh_publisher_suspect */
    bit    added;             /* `notifications` added to the transaction */
    bit    owns[2];           /* partitions, as far as we know */
    byte   offset[2];         /* from wh_query_committed */
    byte   target;            /* the high watermark recovery reads up to */
    byte   next[2];           /* partitions: the next offset to process */
    byte   behind[2];         /* and behind the batch */
    byte   stock[4];          /* outcomes, two for each partition */
    byte   version[4];        /* 0: refused, a duplicate, or no command */
    byte   cursor;            /* the next outcome to send */
    byte   position;          /* wh_publisher_flush: behind our marker */
#if OUTCOMES
    bit    untold;            /* where the notifications are is not known */
#endif
};

Session  s[2];

typedef Store {
    bit    unpublished = 1;
    byte   qty[2];            /* items, by sku */
    byte   version[2];
    byte   keys[2];           /* keys seen, by sku: a bit each */
    byte   next[2];           /* positions in `commands` */
    byte   position;          /* position in `notifications` */
#if OUTCOMES
    byte   applied;           /* the table outcomes: a bit a command */
    byte   refused;           /* likewise, and duplicates */
#endif
};

Store  db[2];
Store  backup[2];

/* Faults left. */

byte  crashes = CRASH;
byte  rebalances = REBALANCE;
byte  lates = LATE;
byte  timeouts = TIMEOUT;
byte  backups = RESTORE;
byte  restores = RESTORE;
byte  losses = LOSE;
byte  forgets = FORGET;
byte  compactions = COMPACT;
byte  hasty = HASTY;
byte  oldjoins = OLDJOIN;
#if OUTCOMES
byte  untold = UNTOLD;
byte  told_applied;           /* by any database, ever: what clients know */
byte  told_refused;
#endif
byte  writes = WRITER;
byte  written;                /* version that the other writer made, of sku 0 */

#define WRITTEN_QTY  2        /* what it added */


/* ---- properties -------------------------------------------------------- */

/* Scratch: used within one step only, no part of the state. */

hidden byte  i, j, k, c, p, o, w;
hidden byte  have_qty[2], have_version[2], have_keys[2], seen;
hidden byte  known[4];        /* database d has a state of sku u: d * 2 + u */
hidden byte  latest_qty[2], latest_version[2];

/* What may fail; the names are what the verifier reports. */

hidden byte  command_applied_at_most_once, stock_is_the_sum,
             versions_without_gap, stock_not_negative, key_applied_once,
             database_is_a_state_of_the_log, nothing_missed_below_position,
             database_not_back_in_time, same_version_same_stock,
             log_has_room, everything_processed, replay_agrees,
             recovery_does_not_stop, position_at_the_end,
             outcome_is_what_the_log_says, no_event_missing,
             end_not_reached;


/* The other writer's change counts as one of the item's states. */

inline foreign_write(u)
{
    if
    :: WRITER && u == 0 && written != 0 && written == have_version[0] + 1 ->
        have_version[0]++;
        have_qty[0] = have_qty[0] + WRITTEN_QTY;
        if
        :: db[0].version[0] == written && db[0].qty[0] == have_qty[0] ->
            known[0] = 1;
        :: else
        fi
    :: else
    fi
}

/* All notifications that are committed or bound to be, and both databases. */

inline check()
{
    seen = 0;
    have_qty[0] = 0; have_qty[1] = 0;
    have_version[0] = 0; have_version[1] = 0;
    have_keys[0] = 0; have_keys[1] = 0;

    for (i : 0 .. 3) {
        known[i] = (db[i / 2].version[i % 2] == 0
                    && db[i / 2].qty[i % 2] == 0);
    }

    i = 0;
    do
    :: i < high ->
        if
        :: n[i].st != 0 && n[i].st != MARKER && DECIDED(i) ->
            c = n[i].command;
            w = sku[c];

            command_applied_at_most_once = !((seen >> c) & 1);
            assert(command_applied_at_most_once);
            seen = seen | (1 << c);

            foreign_write(w);

            versions_without_gap = (n[i].version == have_version[w] + 1);
            assert(versions_without_gap);

            stock_not_negative = (!decrease[c] || qty[c] <= have_qty[w]);
            assert(stock_not_negative);

            have_qty[w] = (decrease[c] -> have_qty[w] - qty[c]
                                       : have_qty[w] + qty[c]);
            have_version[w]++;
            stock_is_the_sum = (n[i].stock == have_qty[w]);
            assert(stock_is_the_sum);

            if
            :: key[c] ->
                key_applied_once = !((have_keys[w] >> key[c]) & 1);
                assert(key_applied_once);
                have_keys[w] = have_keys[w] | (1 << key[c]);
            :: else
            fi;

            for (j : 0 .. 1) {
                if
                :: (db[j].version[w] == have_version[w]
                    && db[j].qty[w] == have_qty[w]) -> known[j * 2 + w] = 1
                :: else
                fi;

                nothing_missed_below_position =
                    (i >= db[j].position || n[i].st == COMPACTED
                     || db[j].version[w] >= n[i].version);
                assert(nothing_missed_below_position);
#if OUTCOMES
                no_event_missing =
                    (i >= db[j].position || n[i].st == COMPACTED
                     || ((db[j].applied >> c) & 1));
                assert(no_event_missing);
#endif
            }
        :: else
        fi;
        i++;
    :: else -> break
    od;

    foreign_write(0);

#if OUTCOMES
    outcome_is_what_the_log_says = ((told_applied & ~seen) == 0
                                    && (told_refused & seen) == 0);
    assert(outcome_is_what_the_log_says);
#endif

    database_is_a_state_of_the_log = (known[0] && known[1] && known[2]
                                      && known[3]);
    assert(database_is_a_state_of_the_log);
}


/*
 * When nothing can happen any more, everything must have been processed, and
 * the commands replayed in order must give what was applied.
 */

#define AT_REST(d)  (s[d].ph == session_poll && s[d].valid)
#define DONE(d, x) \
    (s[d].owns[x] && s[d].next[x] == end_of[x] && db[d].next[x] == end_of[x])

inline check_end()
{
    everything_processed = (
        !PREPARING(0) && !PREPARING(1) && txn[0].st != ONGOING
        && txn[1].st != ONGOING && !txn[0].late && !txn[1].late);

    for (i : 0 .. DAEMONS - 1) {
        everything_processed = (
            everything_processed
            && ((AT_REST(i) && (SCALE || (holder == i && DONE(i, 0)
                                          && DONE(i, 1))))
                || (!SCALE && holder != i && s[i].ph == stopped)));
    }

    for (i : 0 .. 1) {
        everything_processed = (everything_processed
                                && (!SCALE || DONE(owner[i], i)));
    }

    assert(everything_processed);

    for (i : 0 .. DAEMONS - 1) {

        /* behind that of a fenced producer's process a marker may lie */

        position_at_the_end = (NO_FENCE || !s[i].newest
                               || db[i].position == high);
        assert(position_at_the_end);
    }

    check();

    for (i : 0 .. 1) {
        latest_qty[i] = have_qty[i];
        latest_version[i] = have_version[i];
        have_qty[i] = 0;
        have_version[i] = 0;
        have_keys[i] = 0;
    }

    for (p : 0 .. 1) {
        for (o : 0 .. 3) {
            c = COMMAND(p, o);
            k = 0;

            if
            :: o < end_of[p] && !WRITER ->
                w = sku[c];

                if
                :: ((!decrease[c] || qty[c] <= have_qty[w])
                    && (key[c] == 0 || !((have_keys[w] >> key[c]) & 1))) ->
                    have_qty[w] = (decrease[c] -> have_qty[w] - qty[c]
                                               : have_qty[w] + qty[c]);
                    have_version[w]++;
                    have_keys[w] = have_keys[w] | (1 << key[c]);
                    k = 1
                :: else
                fi
            :: else
            fi;

            replay_agrees = (WRITER || k == ((seen >> c) & 1));
            assert(replay_agrees);
        }
    }

    for (i : 0 .. 1) {
        replay_agrees = WRITER || (latest_qty[i] == have_qty[i]
                                   && latest_version[i] == have_version[i]);
        assert(replay_agrees);

        for (j : 0 .. DAEMONS - 1) {
            replay_agrees = (s[j].ph == stopped
                             || (db[j].qty[i] == latest_qty[i]
                                 && db[j].version[i] == latest_version[i]));
            assert(replay_agrees);
        }
    }
}


/* ---- steps of Kafka ---------------------------------------------------- */

inline find_lso()
{
    lso = 0;
    for (k : 0 .. LOG - 1) {
        lso = (k == lso && k < high && n[k].st != OPEN -> lso + 1 : lso);
    }
}

inline append(a_state, a_tid, a_command, a_stock, a_version)
{
    log_has_room = (high < LOG);
    assert(log_has_room);
    n[high].st = a_state;
    n[high].tid = a_tid;
    n[high].command = a_command;
    n[high].stock = a_stock;
    n[high].version = a_version;
    high++;
    find_lso();
}

/* From here on the transaction is committed, its markers will follow. */

inline decide_commit(t)
{
    txn[t].st = PREPARE_COMMIT;
    check();
}

inline settle(t)
{
    if
    :: !txn[t].notifications && !txn[t].offsets ->
        txn[t].st = (txn[t].st == PREPARE_COMMIT -> COMPLETE_COMMIT
                                                 : COMPLETE_ABORT)
    :: else
    fi
}

inline write_notifications_marker(t)
{
    for (i : 0 .. LOG - 1) {
        if
        :: n[i].st == OPEN && n[i].tid == t ->
            if
            :: txn[t].st == PREPARE_COMMIT -> n[i].st = COMMITTED
            :: else ->
                n[i].st = ABORTED;
                n[i].tid = 0;
                n[i].command = 0;
                n[i].stock = 0;
                n[i].version = 0
            fi
        :: else
        fi
    }
    txn[t].notifications = 0;
    append(MARKER, 0, 0, 0, 0);
    settle(t);
}

inline write_offsets_marker(t)
{
    for (i : 0 .. 1) {
        if
        :: txn[t].st == PREPARE_COMMIT && txn[t].pending[i] ->
            committed[i] = txn[t].pending[i]
        :: else
        fi;
        txn[t].pending[i] = 0;
    }
    txn[t].offsets = 0;
    settle(t);
}

/* A newer epoch: what still has the old one is turned away from now on. */

inline fence(t)
{
    for (i : 0 .. 1) {
        s[i].newest = (TID(i) == t -> 0 : s[i].newest);
    }
    txn[t].late = 0;
}

inline begin_if_needed(t)
{
    if
    :: txn[t].st != ONGOING -> txn[t].st = ONGOING
    :: else
    fi
}

#define AWAY(d)     (s[d].ph == session_open || s[d].ph == stopped)
#define BUSY(d) \
    (s[d].newest && (s[d].ph == publisher_send || s[d].ph == send_offsets \
                     || s[d].ph == commit_transaction))
#define ABSENT(t)   (!BUSY((t) * SCALE) && (SCALE || !BUSY(1)))

proctype kafka(bit t)
{
end:
    do
    :: d_step {
        PREPARING(t) && txn[t].notifications ->
        printf("kafka: marker of %d in notifications\n", t);
        write_notifications_marker(t);
       }
    :: d_step {
        PREPARING(t) && txn[t].offsets ->
        printf("kafka: marker of %d in the offsets\n", t);
        write_offsets_marker(t);
       }
    :: d_step {
        txn[t].late ->
        printf("kafka: the late EndTxn of %d arrives\n", t);
        txn[t].late = 0;
        if
        :: txn[t].st == ONGOING -> decide_commit(t)
        :: else
        fi
       }
    :: d_step {       /* for free where nobody is left to end it */
        txn[t].st == ONGOING && (timeouts > 0 || ABSENT(t)) ->
        printf("kafka: the transaction of %d times out\n", t);
        timeouts = (ABSENT(t) -> timeouts : timeouts - 1);
        fence(t);
        txn[t].st = PREPARE_ABORT;
       }
    od
}


/* ---- steps of the daemon ----------------------------------------------- */

/* wh_session_clear, wh_store_rollback */

inline batch_clear(d)
{
    for (i : 0 .. 1) {
        s[d].behind[i] = 0;
    }
    for (i : 0 .. 3) {
        s[d].stock[i] = 0;
        s[d].version[i] = 0;
    }
    s[d].cursor = 0;
    s[d].position = 0;
    s[d].added = 0;
#if OUTCOMES
    s[d].untold = 0;
#endif
}

/* What clients can see from now on, they know for ever. */

inline told(d)
{
#if OUTCOMES
    told_applied = told_applied | db[d].applied;
    told_refused = told_refused | db[d].refused;
#else
    skip
#endif
}

/* wh_keeping_pack, wh_keeper_write: the outcomes of the batch */

inline keep(d)
{
#if OUTCOMES
    for (i : 0 .. 3) {
        o = s[d].next[i / 2] + i % 2;
        c = COMMAND(i / 2, o);
        if
        :: o < s[d].behind[i / 2] && s[d].version[i] != 0 ->
            db[d].applied = db[d].applied | (1 << c)
        :: o < s[d].behind[i / 2] && s[d].version[i] == 0 ->
            db[d].refused = db[d].refused | (1 << c)
        :: else
        fi
    }
    told(d);
#else
    skip
#endif
}

/*
 * The end of a session, whatever the reason: a crash leaves no more behind
 * than wh_session_close does.
 */

inline session_close(d, phase)
{
    batch_clear(d);
    for (i : 0 .. 1) {
        s[d].owns[i] = 0;
        s[d].offset[i] = 0;
        s[d].next[i] = 0;
    }
    s[d].newest = 0;
    s[d].valid = 0;
    s[d].joined = 0;
    s[d].suspect = 0;
    s[d].target = 0;
    s[d].ph = phase;
}

/*
 * The producer is fenced.  Another process may have taken over: the group's
 * coordinator knows, once that process has joined.  It forgets a member that
 * does not live; one that begins anew is back before that.
 */

#define REPLACED(d)  (!SCALE && s[d].joined && holder != d)
#define TAKEN(d)     (holder != GHOST || (NO_MEMBERS && !s[d].newest))
#define OPENING(d) \
    (!s[d].joined && s[d].ph != session_open && s[d].ph != stopped)

inline fenced(d)
{
    if
    :: SCALE -> session_close(d, session_open)
    :: else ->
        batch_clear(d);
        s[d].ph = session_replaced
    fi
}

#define FIRST_OF_RECOVERY \
    (NO_RECOVERY && s[d].joined -> recover_positions \
                                : (NO_ORDER -> watermarks : client_committed))

inline init_transactions(d)
{
    if
    :: !NO_FENCE ->
        fence(TID(d));
        if
        :: txn[TID(d)].st == ONGOING ->
            printf("process %d: init_transactions: aborts what is open\n", d);
            txn[TID(d)].st = PREPARE_ABORT;
            s[d].ph = publisher_open
        :: else ->
            printf("process %d: init_transactions\n", d);
            txn[TID(d)].st = EMPTY;
            s[d].newest = 1;
            s[d].ph = FIRST_OF_RECOVERY
        fi
    :: else ->
        printf("process %d: init_transactions without a new epoch\n", d);
        s[d].newest = 1;
        s[d].ph = FIRST_OF_RECOVERY
    fi
}

#define NOTHING_PENDING \
    (txn[0].pending[0] == 0 && txn[0].pending[1] == 0 \
     && txn[1].pending[0] == 0 && txn[1].pending[1] == 0)

inline wh_query_committed(d)
{
    printf("process %d: wh_query_committed\n", d);
    for (i : 0 .. 1) {
        s[d].offset[i] = committed[i];
    }
    s[d].ph = (NO_ORDER -> recover_positions : watermarks);
}

inline wh_recover_watermarks(d)
{
    printf("process %d: wh_recover_watermarks\n", d);
    recovery_does_not_stop = (!NO_LOOKS || db[d].position <= high);
    assert(recovery_does_not_stop);
    s[d].target = (NO_HIGH -> lso : high);
    s[d].ph = follow;
}

inline wh_follow_message(d, at)
{
    c = n[at].command;
    w = sku[c];
    if
    :: n[at].st == COMMITTED && !(NO_FOLLOWED && s[d].ph == session_poll
                                  && s[d].owns[c / 4]) ->

        /* wh_chunk_apply */

        same_version_same_stock = (n[at].version != db[d].version[w]
                                   || n[at].stock == db[d].qty[w]);
        assert(same_version_same_stock);

        database_not_back_in_time = !(NO_VERSION
                                      && n[at].version < db[d].version[w]);
        assert(database_not_back_in_time);

        if
        :: n[at].version > db[d].version[w] ->
            db[d].version[w] = n[at].version;
            db[d].qty[w] = n[at].stock
        :: else
        fi;

        if
        :: key[c] && !NO_KEYS ->
            db[d].keys[w] = db[d].keys[w] | (1 << key[c])
        :: else
        fi;

#if OUTCOMES
        db[d].applied = db[d].applied | (1 << c);
        told(d);
#endif

        /* wh_follow_source */

        if
        :: !NO_SOURCE && db[d].next[c / 4] <= c % 4 ->
            db[d].next[c / 4] = c % 4 + 1
        :: else
        fi
    :: else
    fi
}

/*
 * Applies what is visible: up to the target of a recovery, and a chunk at
 * most.  With several owners it goes on between batches, without a target.
 */

inline wh_follow(d)
{
    printf("process %d: wh_follow\n", d);
    k = 0;
    do
    :: (db[d].position < lso && k < CHUNK
        && (s[d].ph != follow || db[d].position < s[d].target)) ->
        wh_follow_message(d, db[d].position);
        db[d].position++;
        k++;
    :: else -> break
    od;
    check();
}

inline wh_recover_positions(d)
{
    printf("process %d: wh_recover_positions\n", d);
    for (i : 0 .. 1) {

        /* wh_recover_start */

        s[d].next[i] = (!NO_MAX && db[d].next[i] > s[d].offset[i]
                        -> db[d].next[i] : s[d].offset[i]);

        if
        :: db[d].unpublished && s[d].target == 0 -> s[d].next[i] = 0
        :: else
        fi;

        /* wh_recover_move */

        db[d].next[i] = (NO_STORED -> db[d].next[i] : s[d].next[i]);
        s[d].offset[i] = 0;
    }
    db[d].unpublished = 0;     /* wh_store_publish */
    s[d].target = 0;
    s[d].ph = (s[d].joined -> session_poll : session_join);
}

/* The assign callback, wh_session_rebalanced: metadata as of now. */

inline assigned(d)
{
    for (i : 0 .. 1) {
        s[d].owns[i] = (!SCALE || owner[i] == d);
        s[d].next[i] = 0;
    }
    if
    :: !SCALE && holder != d ->
        if
        :: holder != GHOST -> s[holder].valid = 0
        :: else
        fi;
        holder = d
    :: else
    fi;
    s[d].joined = 1;
    s[d].valid = 1;
    s[d].ph = FIRST_OF_RECOVERY;
}

/* wh_session_poll with a commands of partition 0 and b of partition 1 */

#define POLLED(d, a, b) \
    (s[d].ph == session_poll && !REPLACED(d) \
     && ((a) == 0 || (s[d].owns[0] && s[d].next[0] + (a) <= end_of[0])) \
     && ((b) == 0 || (s[d].owns[1] && s[d].next[1] + (b) <= end_of[1])))

inline wh_batch_compute(d, a, b)
{
    printf("process %d: wh_session_poll, wh_batch_compute\n", d);
    s[d].behind[0] = s[d].next[0] + a;
    s[d].behind[1] = s[d].next[1] + b;

    for (i : 0 .. 1) {
        have_qty[i] = db[d].qty[i];
        have_version[i] = db[d].version[i];
        have_keys[i] = db[d].keys[i];
    }

    for (i : 0 .. 3) {
        p = i / 2;
        o = s[d].next[p] + i % 2;
        c = COMMAND(p, o);

        if
        :: o < s[d].behind[p] ->
            w = sku[c];

            /* wh_apply */

            if
            :: ((!decrease[c] || qty[c] <= have_qty[w])
                && (key[c] == 0 || !((have_keys[w] >> key[c]) & 1))) ->
                have_qty[w] = (decrease[c] -> have_qty[w] - qty[c]
                                           : have_qty[w] + qty[c]);
                have_version[w]++;
                have_keys[w] = have_keys[w] | (1 << key[c]);
                s[d].stock[i] = have_qty[w];
                s[d].version[i] = have_version[w]
            :: else
            fi
        :: else
        fi
    }
    s[d].ph = batch_write;
}

#define UNSENT(d)         (s[d].cursor < 4)
#define ANY_APPLIED(d)    (s[d].version[0] || s[d].version[1] \
                           || s[d].version[2] || s[d].version[3])
#define FIRST_TO_KAFKA(d) \
    (ANY_APPLIED(d) && !OFFSETSFIRST -> publisher_send : send_offsets)

inline first_to_send(d)
{
    for (k : 0 .. 3) {
        s[d].cursor = (k == s[d].cursor && s[d].version[k] == 0 -> k + 1
                                                            : s[d].cursor);
    }
}

/*
 * wh_slice_write: BEGIN IMMEDIATE, then the guarded updates.  They become
 * visible with store_commit; until then nobody else can write.
 */

inline wh_batch_write(d)
{
    j = 1;                    /* 0: an item's guard fails, 2: a position's */
    k = 3;                    /* bits: skus whose guard is yet to be tried */
    for (i : 0 .. 3) {
        if
        :: s[d].version[i] != 0 ->
            w = sku[COMMAND(i / 2, s[d].next[i / 2] + i % 2)];
            if
            :: (!NO_GUARD && ((k >> w) & 1)
                && db[d].version[w] + 1 != s[d].version[i]) -> j = 0
            :: else
            fi;
            k = k & ~(1 << w)
        :: else
        fi
    }
    for (i : 0 .. 1) {
        if
        :: (j && s[d].behind[i] != s[d].next[i]
            && db[d].next[i] != s[d].next[i]) ->
            j = 2
        :: else
        fi
    }
    if
    :: j == 0 ->
        printf("process %d: wh_batch_write: WH_CONFLICT\n", d);
        batch_clear(d);
        s[d].ph = session_poll
    :: j == 1 ->
        printf("process %d: wh_batch_write\n", d);
        if
        :: NO_PATIENCE -> keep(d)
        :: else
        fi;
        s[d].ph = (NO_KAFKA_FIRST -> store_commit : FIRST_TO_KAFKA(d));
        first_to_send(d)
    :: else ->
        printf("process %d: wh_store_move_position: WH_CONFLICT\n", d);
        session_close(d, session_open)
    fi
}

/* The delivery reports: our marker will come behind the last notification. */

inline wh_publisher_flush(d)
{
    s[d].position = (NO_MARKER -> high : high + 1);
    s[d].ph = (OFFSETSFIRST -> commit_transaction : send_offsets);
}

/* AddPartitionsToTxn with the first notification; Produce */

inline wh_publisher_send(d)
{
    if
    :: !s[d].newest ->
        printf("process %d: wh_publisher_send: fenced\n", d);
        fenced(d)
    :: (s[d].newest && s[d].added && !(txn[TID(d)].st == ONGOING
                                       && txn[TID(d)].notifications)) ->
        printf("process %d: wh_publisher_send: not in the transaction\n", d);
        session_close(d, session_open)
    :: else ->
        printf("process %d: wh_publisher_send\n", d);
        begin_if_needed(TID(d));
        txn[TID(d)].notifications = 1;
        s[d].added = 1;
        i = s[d].cursor;
        append(OPEN, TID(d), COMMAND(i / 2, s[d].next[i / 2] + i % 2),
               s[d].stock[i], s[d].version[i]);
        s[d].cursor++;
        first_to_send(d);
        if
        :: !UNSENT(d) -> wh_publisher_flush(d)
        :: else
        fi
    fi
}

/* AddOffsetsToTxn, TxnOffsetCommit */

inline send_offsets_to_transaction(d)
{
    if
    :: !s[d].newest ->
        printf("process %d: send_offsets_to_transaction: fenced\n", d);
        fenced(d)
    :: s[d].newest && !s[d].valid && !NO_GENERATION ->
        printf("process %d: send_offsets_to_transaction: refused\n", d);
        begin_if_needed(TID(d));
        txn[TID(d)].offsets = 1;
        if
        :: REPLACED(d) -> fenced(d)
        :: else -> session_close(d, session_open)
        fi
    :: else ->
        printf("process %d: send_offsets_to_transaction\n", d);
        begin_if_needed(TID(d));
        txn[TID(d)].offsets = 1;
        for (i : 0 .. 1) {
            txn[TID(d)].pending[i] = (s[d].behind[i] != s[d].next[i]
                                      -> s[d].behind[i]
                                      : txn[TID(d)].pending[i]);
        }
        s[d].ph = (OFFSETSFIRST && UNSENT(d) -> publisher_send
                                             : commit_transaction)
    fi
}

inline batch_done(d)
{
    for (i : 0 .. 1) {
        s[d].next[i] = (s[d].behind[i] != s[d].next[i] -> s[d].behind[i]
                                                       : s[d].next[i]);
    }
    batch_clear(d);
    s[d].ph = session_poll;
    if
    :: s[d].suspect && !NO_SUSPECT ->
        printf("process %d: wh_publisher_suspect: a new session\n", d);
        session_close(d, session_open)
    :: NO_SUSPECT -> s[d].suspect = 0
    :: else
    fi
}

/* EndTxn; of a suspect producer it is the second, the first comes late */

inline end_txn(d)
{
    if
    :: !s[d].newest ->
        printf("process %d: commit_transaction: fenced\n", d);
        fenced(d)
    :: (s[d].newest && txn[TID(d)].st != ONGOING
        && txn[TID(d)].st != COMPLETE_COMMIT) ->
        printf("process %d: commit_transaction: there is no transaction\n", d);
        session_close(d, session_open)
    :: else ->
        printf("process %d: commit_transaction\n", d);
        if
        :: txn[TID(d)].st == ONGOING -> decide_commit(TID(d))
        :: else
        fi;
        txn[TID(d)].late = txn[TID(d)].late | s[d].suspect;
        s[d].ph = store_commit;
        if
        :: NO_KAFKA_FIRST -> batch_done(d)
        :: else
        fi
    fi
}

inline wh_store_commit(d)
{
    printf("process %d: wh_store_commit\n", d);
    for (i : 0 .. 3) {
        if
        :: s[d].version[i] != 0 ->
            c = COMMAND(i / 2, s[d].next[i / 2] + i % 2);
            w = sku[c];
            database_not_back_in_time =
                (NO_GUARD || s[d].version[i] > db[d].version[w]);
            assert(database_not_back_in_time);
            db[d].qty[w] = s[d].stock[i];
            db[d].version[w] = s[d].version[i];
            db[d].keys[w] = (key[c] -> db[d].keys[w] | (1 << key[c])
                                    : db[d].keys[w])
        :: else
        fi
    }
    for (i : 0 .. 1) {
        if
        :: s[d].behind[i] != s[d].next[i] -> db[d].next[i] = s[d].behind[i]
        :: else
        fi
    }

#if OUTCOMES
    if
    :: !s[d].untold -> keep(d)
    :: else
    fi;
#endif

    /* with several owners, only wh_follow moves it */

    if
    :: s[d].position != 0 && (!SCALE || NO_FOREIGN) ->
        db[d].position = s[d].position
    :: else
    fi;

    check();

    if
    :: NO_KAFKA_FIRST -> s[d].ph = FIRST_TO_KAFKA(d)
#if OUTCOMES
    :: s[d].untold && !NO_REREAD ->
        printf("process %d: wh_publisher_unknown: a new session\n", d);
        session_close(d, session_open)
#endif
    :: else -> batch_done(d)
    fi
}

proctype daemon(bit d)
{
end:
    do

    /* wh_session_open: CONCURRENT_TRANSACTIONS until the last one is over */

    :: d_step {
        ((s[d].ph == session_open || s[d].ph == publisher_open)
         && !PREPARING(TID(d))) ->
        init_transactions(d);
       }

    /* wh_recover */

    :: d_step {
        s[d].ph == client_committed && (NO_STABLE || NOTHING_PENDING) ->
        wh_query_committed(d);
       }
    :: d_step {
        s[d].ph == watermarks && (NO_LOOKS || db[d].position <= high) ->
        wh_recover_watermarks(d);
       }
    :: d_step {
        (db[d].position < lso
         && ((s[d].ph == follow && db[d].position < s[d].target)
             || (SCALE && s[d].ph == session_poll))) ->
        wh_follow(d);
       }
    :: d_step {
        s[d].ph == follow && db[d].position >= s[d].target ->
        s[d].ph = (NO_ORDER -> client_committed : recover_positions);
       }
    :: d_step {
        s[d].ph == recover_positions ->
        wh_recover_positions(d);
       }

    /* wh_session_join, wh_session_assign */

    :: d_step {
        s[d].ph == session_join ->
        printf("process %d: wh_session_join, wh_session_assign\n", d);
        assigned(d);
       }

    /* wh_session_poll */

    :: d_step {
        ((s[d].ph == session_poll || s[d].ph == session_replaced)
         && REPLACED(d) && TAKEN(d)) ->
        printf("process %d: replaced, stopped\n", d);
        session_close(d, stopped);
       }
    :: d_step {
        ((s[d].ph == session_poll || s[d].ph == session_replaced)
         && REPLACED(d) && !TAKEN(d)) ->
        printf("process %d: replaced by nobody\n", d);
        session_close(d, session_open);
       }
    :: d_step {
        s[d].ph == session_replaced && !REPLACED(d) && !OPENING(1 - d) ->
        printf("process %d: fenced, but not replaced\n", d);
        session_close(d, session_open);
       }
    :: d_step {
        s[d].ph == session_replaced && hasty > 0 ->
        printf("process %d: fenced, and does not wait\n", d);
        hasty--;
        session_close(d, session_open);
       }
    :: d_step {
        s[d].ph == session_poll && !REPLACED(d) && !s[d].valid ->
        printf("process %d: wh_session_rebalanced, wh_session_assign\n", d);
        assigned(d);
       }
    :: d_step { POLLED(d, 1, 0) -> wh_batch_compute(d, 1, 0); }
#if BATCH > 1
    :: d_step { POLLED(d, 2, 0) -> wh_batch_compute(d, 2, 0); }
#endif
#if COMMANDS == 4
    :: d_step { POLLED(d, 0, 1) -> wh_batch_compute(d, 0, 1); }
#if BATCH > 1
    :: d_step { POLLED(d, 0, 2) -> wh_batch_compute(d, 0, 2); }
    :: d_step { POLLED(d, 1, 1) -> wh_batch_compute(d, 1, 1); }
#endif
#endif

    /* wh_slice_commit */

    :: d_step {
        s[d].ph == batch_write ->
        wh_batch_write(d);
       }
    :: d_step {
        s[d].ph == publisher_send && (!s[d].newest || !PREPARING(TID(d))) ->
        wh_publisher_send(d);
       }
#if OUTCOMES

    /* delivery reports without offsets */

    :: d_step {
        s[d].ph == send_offsets && untold > 0 && s[d].position != 0 ->
        printf("process %d: notifications without offsets\n", d);
        untold--;
        s[d].untold = 1;
        s[d].position = 0;
       }
#endif
    :: d_step {
        s[d].ph == send_offsets && (!s[d].newest || !PREPARING(TID(d))) ->
        send_offsets_to_transaction(d);
       }
    :: d_step {
        s[d].ph == commit_transaction && (!s[d].newest || !PREPARING(TID(d))) ->
        end_txn(d);
       }

    /* the same, but the first copy of EndTxn got no answer and is on its way */

    :: d_step {
        (s[d].ph == commit_transaction && lates > 0 && s[d].newest
         && txn[TID(d)].st == ONGOING && !s[d].suspect) ->
        printf("process %d: EndTxn without an answer\n", d);
        lates--;
        s[d].suspect = 1;
       }
    :: d_step {
        s[d].ph == store_commit ->
        wh_store_commit(d);
       }
    od
}


/* ---- faults ------------------------------------------------------------ */

inline copy_store(to, from)
{
    for (i : 0 .. 1) {
        to.qty[i] = from.qty[i];
        to.version[i] = from.version[i];
        to.keys[i] = from.keys[i];
        to.next[i] = from.next[i];
    }
    to.position = from.position;
#if OUTCOMES
    to.applied = from.applied;
    to.refused = from.refused;
#endif
    to.unpublished = from.unpublished;
}

/* The file is replaced while nobody uses it, or wh_store_same_file tells. */

#define REPLACEABLE(d)  (s[d].ph == session_open || s[d].ph == session_poll)

proctype faults(bit d)
{
end:
    do
    :: d_step {
        crashes > 0 && !AWAY(d) ->
        printf("process %d: CRASH\n", d);
        crashes--;
        txn[TID(d)].late = (txn[TID(d)].late
                            | (s[d].suspect
                               && s[d].ph == commit_transaction));
        session_close(d, session_open);
       }
    :: d_step {
        restores > 0 && REPLACEABLE(d) && !backup[d].unpublished ->
        printf("process %d: database replaced by an older copy\n", d);
        restores--;
        copy_store(db[d], backup[d]);
        session_close(d, session_open);
       }
    :: d_step {
        losses > 0 && REPLACEABLE(d) && !db[d].unpublished ->
        printf("process %d: database lost\n", d);
        losses--;
        db[d].unpublished = 1;
        for (i : 0 .. 1) {
            db[d].qty[i] = 0;
            db[d].version[i] = 0;
            db[d].keys[i] = 0;
            db[d].next[i] = 0;
        }
        db[d].position = 0;
#if OUTCOMES
        db[d].applied = 0;
        db[d].refused = 0;
#endif
        session_close(d, session_open);
       }
    :: d_step {
        backups > 0 && s[d].ph == session_poll && high > 0 ->
        printf("process %d: backup\n", d);
        backups--;
        copy_store(backup[d], db[d]);
       }
    od
}

/* Another assignment; partition 1 moves only where it has commands. */

#define REASSIGN(a, b) \
    (SCALE && DAEMONS == 2 && rebalances > 0 \
     && (end_of[1] > 0 || (b) == owner[1]))

inline reassign(a, b)
{
    rebalances--;
    owner[0] = (a -> 1 - owner[0] : owner[0]);
    owner[1] = (b -> 1 - owner[1] : owner[1]);
    printf("group: partitions to %d and %d\n", owner[0], owner[1]);
    s[0].valid = 0;
    s[1].valid = 0;
}

proctype shared_faults()
{
end:
    do
    :: d_step {
        (!SCALE && rebalances > 0 && holder != GHOST && s[holder].joined
         && s[holder].valid) ->
        printf("group: rejoined, new generation\n");
        rebalances--;
        s[holder].valid = 0;
       }
    :: d_step {
        (!SCALE && oldjoins > 0 && holder != GHOST && s[holder].joined) ->
        printf("group: an old JoinGroup of %d arrives\n", holder);
        oldjoins--;
        s[holder].valid = 0;
        holder = GHOST;
       }
    :: d_step { REASSIGN(1 - owner[0], owner[1]) -> reassign(1, 0); }
    :: d_step { REASSIGN(owner[0], 1 - owner[1]) -> reassign(0, 1); }
    :: d_step { REASSIGN(1 - owner[0], 1 - owner[1]) -> reassign(1, 1); }
    :: d_step {
        forgets > 0 && (committed[0] || committed[1]) ->
        printf("group: offsets lost\n");
        forgets--;
        committed[0] = 0;
        committed[1] = 0;
       }
    :: d_step {
        compactions > 0 && lso > 1 ->
        printf("kafka: notifications compacted\n");
        for (i : 0 .. LOG - 1) {
            for (j : i + 1 .. LOG - 1) {
                if
                :: (j < lso && n[i].st == COMMITTED && n[j].st == COMMITTED
                    && sku[n[i].command] == sku[n[j].command]) ->
                    n[i].st = COMPACTED
                :: else
                fi
            }
        }
        compactions--;
       }

    /* UPDATE items SET qty = qty + 2, version = version + 1 */

    :: d_step {
        (writes > 0 && db[0].version[0] > 0
         && (s[0].ph == session_poll || s[0].ph == batch_write)) ->
        printf("somebody else writes item 0\n");
        writes--;
        db[0].version[0]++;
        db[0].qty[0] = db[0].qty[0] + WRITTEN_QTY;
        written = db[0].version[0];
       }

    /* no more faults: the rest has to go through undisturbed */

    :: d_step {
        !REACH && (crashes || rebalances || lates || timeouts || restores
                   || backups || losses || forgets || compactions || hasty
                   || oldjoins || writes
#if OUTCOMES
                   || untold
#endif
                  ) ->
        printf("no more faults\n");
        crashes = 0;
        rebalances = 0;
        lates = 0;
        timeouts = 0;
        restores = 0;
        backups = 0;
        losses = 0;
        forgets = 0;
        compactions = 0;
        hasty = 0;
        oldjoins = 0;
        writes = 0;
#if OUTCOMES
        untold = 0;
#endif
       }
    od
}

/* ---- the run ----------------------------------------------------------- */

inline put(at, is_decrease, the_sku, the_qty, the_key)
{
    decrease[at] = is_decrease;
    sku[at] = the_sku;
    qty[at] = the_qty;
    key[at] = the_key;
    end_of[at / 4] = at % 4 + 1;
}

#if OUTCOMES
#define UNTOLD_LEFT  untold
#else
#define UNTOLD_LEFT  0
#endif

#define NO_MORE_FAULTS \
    (UNTOLD_LEFT + crashes + rebalances + lates + timeouts + restores + losses + forgets \
     + compactions + hasty + oldjoins + writes == 0)

init {
    d_step {
#if COMMANDS == 1                      /* one item; the last is refused */
        put(0, 0, 0, 5, 0);
        put(1, 1, 0, 2, 0);
        put(2, 1, 0, 4, 0);
#elif COMMANDS == 2                    /* refused in the middle */
        put(0, 0, 0, 5, 0);
        put(1, 1, 0, 6, 0);
        put(2, 1, 0, 2, 0);
#elif COMMANDS == 3                    /* two items; refused first and later */
        put(0, 1, 0, 2, 0);
        put(1, 0, 0, 5, 0);
        put(2, 0, 1, 3, 0);
        put(3, 1, 0, 6, 0);
#elif COMMANDS == 4                    /* two partitions, an item in each */
        put(0, 0, 0, 5, 0);
        put(1, 1, 0, 6, 0);
        put(4, 0, 1, 3, 0);
        put(5, 1, 1, 2, 0);
#elif COMMANDS == 5                    /* a key sent twice */
        put(0, 0, 0, 5, 1);
        put(1, 0, 0, 1, 0);
        put(2, 0, 0, 5, 1);
#elif COMMANDS == 6                    /* nothing to apply */
        put(0, 1, 0, 2, 0);
        put(1, 1, 0, 3, 0);
#elif COMMANDS == 7                    /* a longer take-over */
        put(0, 0, 0, 5, 0);
        put(1, 1, 0, 2, 0);
        put(2, 1, 0, 9, 0);
        put(3, 1, 0, 1, 0);
#endif
    }

    atomic {
        run kafka(0);
        run daemon(0);
        run faults(0);
        run shared_faults();
#if DAEMONS == 2
        run daemon(1);
        run faults(1);
#if SCALE
        run kafka(1);
#endif
#endif
#if COMMANDS == 4 && SCALE
        owner[1] = 1;
#endif
    }

    timeout ->

    d_step {
        check_end();
        end_not_reached = (!REACH || !NO_MORE_FAULTS);
        assert(end_not_reached);
    }
}
