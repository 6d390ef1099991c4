# Databases that cannot be shown, now or ever: what clients are told, and what
# the error log says about it.

use Warehouse;
use WarehouseNginx;
use Test::More;

use JSON::PP ();

topic('commands');

my $dir = "$ENV{WAREHOUSE_TEST_DIR}/states-$$";
mkdir $dir;
chmod 0755, $dir;
my $requests = 50;

# workers that may not read everything, where that can be had
my $nginx = WarehouseNginx->new(main => $> == 0 ? 'user nobody nogroup;' : '',
                                server => <<"CONF");
location = /commands { warehouse_commands; }
@{[ join "\n", map { "location = /items/$_ { warehouse_items $dir/$_/warehouse.db; }\n"
                     . "location = /page/$_ { warehouse_items $dir/$_/warehouse.db;"
                     . ' error_page 503 /problem; }' }
    qw(odd missing recovering future private closed locked busy) ]}
location = /problem { internal; warehouse_problem; }
CONF
my $port = $nginx->{port};
my ($worker) = $nginx->workers;
my $command = '{"action":"increase","sku":"states","qty":1}';

# The path of a case's database, in a folder of its own.
sub place { my ($case) = @_;
    mkdir "$dir/$case";
    chmod 0755, "$dir/$case";
    return "$dir/$case/warehouse.db";
}

sub detail {
    my $document = eval { JSON::PP->new->utf8->decode($_[0] // '') };
    return ref $document eq 'HASH' ? $document->{detail} // '' : '';
}

# What the error log has got since the last call.
my $read = 0;
sub news {
    my $log = substr $nginx->error_log, $read;
    $read += length $log;
    return split /\n/, $log;
}

# A 503 of that detail; retry: with Retry-After or, if 0, without.
sub refused { my ($r, $detail, $retry, $name) = @_;
    my $after = ($r // {})->{headers}{'retry-after'} // 'none';
    is join(', ', $r ? $r->{status} : 'no answer', detail($r && $r->{body}), "Retry-After: $after"),
       join(', ', 503, $detail, 'Retry-After: ' . ($retry ? 1 : 'none')), $name;
    problem_ok($r && $r->{body}, 503, undef, "$name: the document");
}

# unavailable(CASE, DETAIL, RETRY, REASON): many requests, and one line of the
# log for all of them, with the path and the reason.
sub unavailable { my ($case, $detail, $retry, $reason, $name) = @_;
    $name //= $case;
    news();
    my $socket = connect_to($port);
    my %seen;
    my $last;
    for (1 .. $requests) {
        syswrite $socket, get("/items/$case");
        $last = response($socket);
        $seen{$last ? "$last->{status} $last->{body}" : 'no answer'}++;
        $socket = connect_to($port) unless $last;
    }
    is scalar(keys %seen), 1, "$name: every answer is the same" or diag explain \%seen;
    refused($last, $detail, $retry, $name);

    my @bad = grep { /\[(?:error|crit|alert|emerg)\]/ } news();
    is scalar(@bad), 1, "$name: one line at [error] for $requests requests" or diag $bad[0];
    like $bad[0] // '', qr/\[error\].*\Q$dir\E\/$case\/warehouse\.db.*$reason/,
         "$name: it has the path and the reason";

    refused(exchange($port, get("/page/$case")), $detail, $retry, "$name, by error_page");
    my $head = exchange($port, get("/items/$case", _method => 'HEAD'), head => 1);
    is +($head // {})->{headers}{'retry-after'}, $retry ? 1 : undef, "$name: HEAD says the same";
    is join(' ', $nginx->workers), $worker, "$name: the worker is the same";
}

# Lists again, and one line that says so.
sub works_again { my ($case, $name) = @_;
    $name //= $case;
    news();
    for (1 .. 5) {
        my $r = exchange($port, get("/items/$case"));
        is $r ? "$r->{status} $r->{body}" : 'no answer', '200 [{"sku":"a","qty":1}]',
           "$name: a list again";
    }
    my @lines = news();
    my @again = grep { /works again/ } @lines;
    is scalar(@again), 1, "$name: one line says that it works again";
    like $again[0] // '', qr/\[notice\].*\Q$dir\E\/$case\/warehouse\.db/, "$name: with the path";
    is scalar(grep { /\[(?:error|crit|alert|emerg)\]/ } @lines), 0, "$name: nothing else";
}


# --- a state that is no text: the daemon never writes one, others might

for my $row (['NULL', 'NULL'], ['an empty blob', "x''"], ['a blob', "x'7265616479'"]) {
    my ($what, $value) = @$row;
    for my $version (1, 2) {
        my $name = "the state is $what, schema version $version";
        my $db = database(place('odd'), schema => $version, rows => [['a', 1]]);
        sql($db, "DROP TABLE meta; CREATE TABLE meta(name TEXT PRIMARY KEY, value);"
                 . " INSERT INTO meta VALUES('state', $value);");

        for my $n (1, 2) {
            refused(exchange($port, get('/items/odd')), 'the stock cannot be read', 0,
                    "$name, request $n");
        }
        my $r = exchange($port, post($command));
        is $r ? $r->{status} : 'no answer', 200, "$name: a command is accepted";
        is join(' ', $nginx->workers), $worker, "$name: the worker is the same";
        ($worker) = $nginx->workers;   # one failure is enough
    }
}


# --- what passes

{
    my $db = place('missing');
    unavailable('missing', 'there is no stock yet', 1, '');
    database($db, rows => [['a', 1]]);
    works_again('missing');

    unlink $db, "$db-wal", "$db-shm";
    unavailable('missing', 'there is no stock yet', 1, '', 'removed');
    database($db, rows => [['a', 1]]);
    works_again('missing', 'made anew');

    database(place('recovering'), state => 'recovering', rows => [['a', 1]]);
    unavailable('recovering', 'the stock is being recovered', 1, 'recover');
    sql("$dir/recovering/warehouse.db", "UPDATE meta SET value = 'ready' WHERE name = 'state'");
    works_again('recovering');
}

{
    # an exclusive owner of a database in WAL mode keeps readers from opening it
    my $db = database(place('locked'), rows => [['a', 1]]);
    my $owner = writer($db);
    $owner->('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT;');
    unavailable('locked', 'the stock cannot be read now', 1, 'lock');
    $owner->();
    works_again('locked');
}

{
    # and one without a WAL keeps those out that have it open
    my $db = database(place('busy'), rows => [['a', 1]]);
    system('sqlite3', $db, 'PRAGMA journal_mode = DELETE') == 0 or die 'sqlite3';
    is exchange($port, get('/items/busy'))->{body}, '[{"sku":"a","qty":1}]', 'busy: at first a list';
    my $owner = writer($db);
    $owner->('BEGIN EXCLUSIVE;');
    unavailable('busy', 'the stock cannot be read now', 1, 'lock');
    $owner->('COMMIT;');
    works_again('busy');
    $owner->();
}


# --- what needs somebody to do something

{
    my $db = database(place('future'), schema => 7, rows => [['a', 1]]);
    unavailable('future', 'the stock cannot be read', 0, 'schema version 7');
    sql($db, 'PRAGMA user_version = 2');
    works_again('future');

    # a later one that says who can read it

    for my $min (8, 5, 0, -1, 'three', '3 ', '1.5', '99999999999999999999') {
        sql($db, "PRAGMA user_version = 8; INSERT OR REPLACE INTO meta VALUES('min_reader', '$min')");
        unavailable('future', 'the stock cannot be read', 0, 'schema version 8', "min_reader $min");
        sql($db, 'PRAGMA user_version = 3');
        works_again('future', "not with min_reader $min");
    }
    for my $min (1, 4) {
        sql($db, "PRAGMA user_version = 9; INSERT OR REPLACE INTO meta VALUES('min_reader', '$min')");
        is exchange($port, get('/items/future'))->{body}, '[{"sku":"a","qty":1}]',
            "schema version 9 for readers from version $min on";
    }
}

SKIP: {
    skip 'root may give files away', 1 unless $> == 0;

    my $db = database(place('private'), rows => [['a', 1]]);
    chmod 0600, $db;
    unavailable('private', 'the stock cannot be read', 0, '[Pp]ermission');
    chmod 0666, $db;
    works_again('private');

    database(place('closed'), rows => [['a', 1]]);
    chmod 0700, "$dir/closed";
    unavailable('closed', 'the stock cannot be read', 0, '[Pp]ermission', 'a closed folder');
    chmod 0755, "$dir/closed";
    works_again('closed', 'a folder opened again');
}


# --- one trouble after another is said, too

{
    my $db = "$dir/missing/warehouse.db";
    unlink $db, "$db-wal", "$db-shm";
    unavailable('missing', 'there is no stock yet', 1, '', 'missing first');
    database($db, schema => 7, rows => [['a', 1]]);
    unavailable('missing', 'the stock cannot be read', 0, 'schema version 7', 'then of the future');
    sql($db, 'PRAGMA user_version = 2');
    works_again('missing', 'and then all right');
}

$nginx->stop('states');
done_testing();
