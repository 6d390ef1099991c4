package Warehouse;

# What the HTTP tests share: the environment of script/test, topics and their
# records, databases in the daemon's schema, and the sections that the tests
# add to Test::Nginx's own.  Load it before Test::Nginx::Socket.

use strict;
use warnings;

use Exporter qw(import);
use Fcntl qw(O_CREAT O_EXCL O_WRONLY);
use FileHandle ();
use IO::Socket::INET ();
use IPC::Open2 qw(open2);
use JSON::PP ();
use Test::More ();
use Time::HiRes qw(sleep time);

our @EXPORT = qw(
    free_port module topic records last_record commands_kafka
    database sql writer items_json
    wait_until problem_ok same_bytes slurp spew
    warehouse_blocks
);

# A free port of loopback that no other test of this run is given.  It lies
# below the range the kernel hands out to clients.
sub free_port {
    for (1 .. 200) {
        my $port = 20000 + int rand 10000;
        my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
                                           LocalPort => $port, Listen => 1)
            or next;
        sysopen my $mine, "$ENV{WAREHOUSE_TEST_DIR}/ports/$port",
                O_CREAT | O_EXCL | O_WRONLY
            or next;
        return $port;
    }
    die 'no free port';
}

# Files run side by side: each has a folder, a port and a database of its own.
BEGIN {
    die "run this with script/test\n" unless $ENV{WAREHOUSE_ROOT};

    my $dir = $ENV{WAREHOUSE_TEST_DIR};

    $ENV{TEST_NGINX_TIMEOUT} ||= 20;
    $ENV{TEST_NGINX_NO_SHUFFLE} = 1;
    $ENV{TEST_NGINX_LOG_LEVEL} ||= 'info';
    $ENV{TEST_NGINX_SERVROOT} = "$dir/servroot-$$";
    $ENV{TEST_NGINX_PORT} = free_port();
    $ENV{TEST_NGINX_DB} = "$dir/block-$$.db";
}


sub module { "load_module $ENV{TEST_NGINX_WAREHOUSE_MODULE};\n" }

# Property lines for a broker; the one that script/test started by default.
sub commands_kafka {
    my ($broker) = @_;
    return 'warehouse_kafka bootstrap.servers '
           . ($broker // $ENV{TEST_NGINX_KAFKA}) . ";\n";
}


# Polls until the code returns true, which is returned; undef at the deadline.
sub wait_until {
    my ($seconds, $code) = @_;
    my $deadline = time + $seconds;

    for ( ;; ) {
        my $value = $code->();
        return $value if $value;
        return undef if time > $deadline;
        sleep 0.02;
    }
}


# topic(NAME, partitions => 1, broker => ADDRESS, config => {...}): creates the
# topic if it is not there, and returns when it can be written to.
sub topic {
    my ($name, %arg) = @_;
    my $broker = $arg{broker} // $ENV{TEST_NGINX_KAFKA};
    my $config = JSON::PP::encode_json($arg{config} // {});

    my $code = <<'PYTHON';
import json, sys
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import TopicAlreadyExistsError
broker, name, partitions, config = sys.argv[1:]
admin = KafkaAdminClient(bootstrap_servers=broker)
try:
    admin.create_topics([NewTopic(name, int(partitions), 1,
                                  topic_configs=json.loads(config))])
except TopicAlreadyExistsError:
    pass
admin.close()
PYTHON

    system('python3', '-c', $code, $broker, $name, $arg{partitions} // 1,
           $config) == 0
        or Test::More::BAIL_OUT("cannot create the topic $name at $broker");

    wait_until(20, sub {
        `kcat -q -b $broker -L -t $name 2>&1` =~ /leader [0-9]/;
    }) or Test::More::BAIL_OUT("the topic $name has no leader");

    return $name;
}


# records(TOPIC, broker => , from => OFFSET): every record to the topic's end,
# in the order of the partitions, as hashes of partition, offset, headers
# ("name=value,..." or ""), key and value.
sub records {
    my ($name, %arg) = @_;
    my $broker = $arg{broker} // $ENV{TEST_NGINX_KAFKA};
    my $from = $arg{from} // 'beginning';
    my $only = $arg{count} ? "-c $arg{count}" : '';
    my @records;

    my $format = '%p %o %K %S %h\n%k%s\n';
    open my $kcat, '-|:raw', "timeout 30 kcat -q -b $broker -C -t $name"
                             . " -o $from -e $only -f '$format'"
        or die "kcat: $!";
    my $all = do { local $/; <$kcat> } // '';
    close $kcat or die "kcat could not read $name: $?";

    while ($all =~ /\G(\d+) (\d+) (-?\d+) (-?\d+) (.*)\n/gc) {
        my %r = (partition => $1, offset => $2, headers => $5);
        my ($key, $value) = ($3 < 0 ? 0 : $3, $4 < 0 ? 0 : $4);
        $r{key} = $3 < 0 ? undef : substr $all, pos $all, $key;
        $r{value} = $4 < 0 ? undef : substr $all, pos($all) + $key, $value;
        pos($all) += $key + $value + 1;
        push @records, \%r;
    }

    return @records;
}

sub last_record {
    my ($name, %arg) = @_;
    return (records($name, %arg, from => -1, count => 1))[0];
}


# A database as the daemon makes it, open to any user, in WAL mode with its
# -wal and -shm files left in place.  rows: [[sku, qty], ...].
sub database {
    my ($path, %arg) = @_;
    my $version = $arg{schema} // 1;
    my $state = $arg{state} // 'ready';

    unlink $path, "$path-wal", "$path-shm";

    sql($path, <<"SQL" . rows(@{ $arg{rows} // [] }));
CREATE TABLE items(
 sku TEXT PRIMARY KEY,
 qty INTEGER NOT NULL CHECK(qty >= 0),
 version INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE positions(
 topic TEXT, partition INTEGER, next INTEGER NOT NULL,
 PRIMARY KEY(topic, partition)) WITHOUT ROWID;
CREATE TABLE meta(
 name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE stats(
 name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES('state', '$state');
PRAGMA user_version = $version;
SQL
    chmod 0666, $path, "$path-wal", "$path-shm";

    return $path;
}

sub rows {
    return '' unless @_;
    return "BEGIN;\n" . join('', map {
        my $hex = unpack 'H*', $_->[0];
        "INSERT OR REPLACE INTO items VALUES(CAST(x'$hex' AS TEXT),"
        . " $_->[1], 1);\n"
    } @_) . "COMMIT;\n";
}

# Runs statements in a connection of their own, which leaves the WAL there.
sub sql {
    my ($path, $statements) = @_;
    open my $shell, '|-', 'sqlite3', '-bail', $path or die "sqlite3: $!";
    print $shell ".output /dev/null\n.filectrl persist_wal 1\n.output\n",
                 ".timeout 10000\n.output /dev/null\n",
                 "PRAGMA journal_mode = WAL;\n.output\n", $statements;
    close $shell or die "sqlite3 failed on $path: $?";
}

# writer(PATH): a connection that stays open; call the result with statements,
# which are done when it returns; without any it closes the connection.
sub writer {
    my ($path) = @_;
    my $pid = open2(my $out, my $in, 'sqlite3', '-batch', $path);
    $in->autoflush(1);
    print $in ".timeout 10000\n.filectrl persist_wal 1\n";

    return sub {
        my ($statements) = @_;
        if (!defined $statements) {
            close $in;
            waitpid $pid, 0;
            return;
        }
        print $in $statements, "\nSELECT '--done--';\n";
        while (my $line = <$out>) {
            return 1 if $line eq "--done--\n";
        }
        die "the writer is gone";
    };
}


# The body that the contract asks for, of [sku, qty] pairs in any order;
# skus are bytes.
sub items_json {
    return '[' . join(',', map {
        my ($sku, $qty) = @$_;
        $sku =~ s/(["\\])/\\$1/g;
        qq({"sku":"$sku","qty":$qty})
    } sort { $a->[0] cmp $b->[0] } @_) . ']';
}


sub slurp {
    my ($path) = @_;
    open my $in, '<:raw', $path or return undef;
    local $/;
    return scalar <$in>;
}

sub spew {
    my ($path, $content) = @_;
    open my $out, '>:raw', $path or die "$path: $!";
    print $out $content;
    close $out or die "$path: $!";
    return $path;
}


# is() without printing a megabyte when it fails.
sub same_bytes {
    my ($got, $want, $name) = @_;
    $got //= '';
    return Test::More::pass($name) if $got eq $want;

    my $at = 0;
    if (($got ^ $want) =~ /[^\0]/) { $at = $-[0] }
    return Test::More::fail($name)
        || Test::More::diag(sprintf "%d bytes, wanted %d, differ at %d:\n"
                            . " got  %s\n want %s", length $got, length $want,
                            $at, substr($got, $at, 80), substr($want, $at, 80));
}


# One test: the body is an RFC 9457 document of this status, with this pointer;
# undef: with none, '?': with any or none.
sub problem_ok {
    my ($body, $status, $pointer, $name) = @_;
    my $doc = eval { JSON::PP->new->utf8->decode($body // '') };
    my @bad;

    if (ref $doc ne 'HASH') {
        @bad = 'not a JSON object';

    } else {
        for my $field (qw(type title detail)) {
            my $value = $doc->{$field};
            push @bad, "no $field" unless defined $value && length $value
                                          && !ref $value;
        }
        push @bad, 'status' unless ($doc->{status} // '') eq $status
                                   && $body =~ /"status"\s*:\s*$status\b/;
        push @bad, 'pointer' if ($doc->{pointer} // '') ne ($pointer // '')
                                && ($pointer // '') ne '?';
        delete @$doc{qw(type title status detail pointer)};
        push @bad, map { "a field $_" } sort keys %$doc;
    }

    Test::More::is("@bad", '', $name)
        or Test::More::diag('the body: ', substr $body // '(none)', 0, 400);
}


# The sections for Test::Nginx blocks, each for every request of the block or
# an array with one value a request:
#   --- problem   status [pointer]: status, content type, document
#   --- accepted  the status, headers and exact body of an accepted command
#   --- record    "key value": the topic's last record, byte for byte
#   --- check     code that is called with the body and the request's index
sub warehouse_blocks {
    Test::Nginx::Socket::add_block_preprocessor(sub {
        my ($block) = @_;

        $block->set_value('main_config',
                          module() . ($block->main_config // ''));
        $block->set_value('http_config', commands_kafka())
            unless defined $block->http_config;
        $block->set_value('no_error_log', "[alert]\n[crit]\n[emerg]\n")
            unless defined $block->must_die || defined $block->no_error_log;

        if (defined $block->must_die) {
            my $words = $block->error_log;
            $block->set_value('error_log', [split(/\n+/, $words), '[emerg]'])
                unless ref $words;
            $block->set_value('suppress_stderr', 1);
        }

        my $requests = $block->pipelined_requests // $block->request;
        my $count = ref $requests eq 'ARRAY' ? @$requests : 1;
        my $each = sub { $count > 1 || ref $requests ? [@_] : $_[0] };

        if (defined(my $problem = $block->problem)) {
            my @rows = map { per_request($problem, $_) } 0 .. $count - 1;
            $block->set_value('error_code',
                              $each->(map { (split)[0] } @rows));
            my $more = $block->response_headers;
            $block->set_value('response_headers', $each->(map {
                "Content-Type: application/problem+json\n"
                . (defined $more ? per_request($more, $_) : '')
            } 0 .. $count - 1));
        }

        if (defined $block->accepted) {
            $block->set_value('response_headers_like', $each->(
                ("Content-Type: application/json\n"
                 . "Warehouse-Position: \\d+:\\d+\n") x $count));
            $block->set_value('response_body', $each->(
                ('{"status":"accepted"}') x $count));
        }
    });

    Test::Nginx::Socket::add_response_body_check(sub {
        my ($block, $body, $i) = @_;
        my $name = $block->name . " (request $i)";

        if (defined(my $problem = $block->problem)) {
            my ($status, $pointer) = split ' ', per_request($problem, $i);
            problem_ok($body, $status, $pointer, "$name - problem document");
        }

        if (defined(my $record = $block->record)) {
            my $want = per_request($record, $i);
            chomp $want;
            my $r = last_record($block->topic // 'commands');
            same_bytes(join(' ', map { $_ // '(null)' } $r->{key}, $r->{value}),
                       $want, "$name - the record in Kafka");
        }

        if (defined(my $check = $block->check)) {
            $check->($body, $i, $name);
        }
    });
}

sub per_request {
    my ($value, $i) = @_;
    return ref $value eq 'ARRAY' ? $value->[$i] : $value;
}

1;
