# How bodies arrive: split, chunked, in files, large, pipelined, cut off.

use Warehouse;
use WarehouseNginx;
use Test::Nginx::Socket 'no_plan';

use IO::Select ();
use Socket qw(SOL_SOCKET SO_LINGER);
use Time::HiRes qw(time);

topic('commands');
topic('large', config => { 'max.message.bytes' => 3000000 });

my $nginx = WarehouseNginx->new(
    kafka => commands_kafka() . "warehouse_kafka message.max.bytes 1000000;\n",
    server => <<'CONF');
client_header_buffer_size 1k;
location = /commands { client_max_body_size 64k; warehouse_commands; }
location = /small { client_body_buffer_size 16; warehouse_commands; }
location = /single { client_body_in_single_buffer on; client_body_buffer_size 8;
                     warehouse_commands; }
location = /file { client_body_in_file_only clean; warehouse_commands; }
location = /large { client_max_body_size 2m; warehouse_commands large; }
location = /items { client_max_body_size 64k; warehouse_items none.db; }
location /page/ {
    client_max_body_size 64k;
    error_page 400 405 413 415 /problem;
    location = /page/commands { warehouse_commands; }
    location = /page/items { warehouse_items none.db; }
}
location = /problem { internal; warehouse_problem; }
CONF
my $port = $nginx->{port};
my ($worker) = $nginx->workers;

sub command { my ($sku, $more) = @_;
    return qq({"action":"increase","sku":"$sku","qty":1) . ($more // '') . '}';
}

sub chunked { return join('', map { sprintf "%x\r\n%s\r\n", length, $_ } @_) . "0\r\n\r\n" }

sub post_chunked { my ($path, @chunks) = @_;
    return post(chunked(@chunks), _path => $path, 'Content-Length' => undef,
                'Transfer-Encoding' => 'chunked');
}

sub accepted { my ($r, $name) = @_;
    my ($status, $body) = $r ? @$r{qw(status body)} : ('none', '');
    is "$status $body", '200 {"status":"accepted"}', $name;
}

sub written { my ($body, $name, $topic) = @_;
    same_bytes(last_record($topic // 'commands')->{value}, $body, "$name: as received");
}

sub alive { my ($name) = @_;
    accepted(exchange($port, post(command('alive'))), "$name: the next command");
    is join(' ', $nginx->workers), $worker, "$name: by the same worker";
}


# --- a body in two segments, split at every byte; then one byte a segment

for my $path ('/commands', '/small', '/single', '/file') {
    my $socket = connect_to($port);
    my $body = command("split-\xc3\xa9", ',"x":"\ud83d\ude00"');
    my $request = post($body, _path => $path);
    my $head = length($request) - length $body;
    my $from = $path eq '/commands' ? 1 : $head;
    my $bad = 0;

    for my $at ($from .. length($request) - 1) {
        syswrite $socket, substr $request, 0, $at;
        # no more than a hint to the kernel: the segments leave apart
        IO::Select->new($socket)->can_read(0.001);
        syswrite $socket, substr $request, $at;
        my $r = response($socket);
        next if $r && $r->{status} == 200 && $r->{body} eq '{"status":"accepted"}';
        $bad++;
        diag "$path, split at $at: ", $r ? "$r->{status} $r->{body}" : 'no answer';
        $socket = connect_to($port);
    }
    is $bad, 0, "$path: split at every byte";

    syswrite $socket, $_ for split //, $request;
    accepted(response($socket), "$path: one byte at a time");
    written($body, "$path: one byte at a time");
}


# --- chunked, and in temporary files

for my $path ('/commands', '/small', '/single', '/file') {
    my $body = command('chunked', ',"x":"' . 'y' x 200 . '"');

    accepted(exchange($port, post_chunked($path, $body)), "$path: one chunk");
    written($body, "$path: one chunk");
    accepted(exchange($port, post_chunked($path, split //, $body)), "$path: chunks of a byte");
    written($body, "$path: chunks of a byte");

    my $upper = chunked(substr($body, 0, 26), substr $body, 26);
    $upper =~ s/^1a\r\n/1A;name="value"\r\n/;
    $upper =~ s/0\r\n\r\n$/00000\r\nTrailer: x\r\n\r\n/;
    accepted(exchange($port, post($upper, _path => $path, 'Content-Length' => undef,
                                  'Transfer-Encoding' => 'chunked')),
             "$path: extensions and trailers");
    written($body, "$path: extensions and trailers");

    is exchange($port, post_chunked($path))->{status}, 400, "$path: no chunk but the last";
    is exchange($port, post_chunked($path, 'x' x 300))->{status}, 400,
       "$path: a large body that is no JSON";
}

{
    my $body = command('big', ',"x":"' . 'y' x 60000 . '"');
    for my $path ('/commands', '/small', '/single', '/file') {
        accepted(exchange($port, post($body, _path => $path)), "$path: 60 kB");
        written($body, "$path: 60 kB");
    }
    is scalar(() = glob "$nginx->{dir}/client_body_temp/*"), 0, 'no temporary file is left';

    my $r = exchange($port, post_chunked('/commands', 'x' x 70000));
    is $r->{status}, 413, 'chunked past client_max_body_size: 413';
    problem_ok($r->{body}, 413, undef, 'chunked past client_max_body_size: the document');
    $r = exchange($port, post('x' x 70000));
    is $r->{status}, 413, 'a length past client_max_body_size: 413';
}


# --- 1 MiB

for my $how ('a length', 'chunked') {
    my $send = sub { my ($body) = @_;
        exchange($port, $how eq 'chunked'
                        ? post_chunked('/large', $body =~ /(.{1,5000})/gs)
                        : post($body, _path => '/large'));
    };
    my $frame = length command('mib', ',"x":""');

    my $body = command('mib', ',"x":"' . 'y' x (990000 - $frame) . '"');
    accepted($send->($body), "$how: 990,000 bytes");
    written($body, "$how: 990,000 bytes", 'large');

    my $r = $send->(command('mib', ',"x":"' . 'y' x (1048576 - $frame) . '"'));
    is $r->{status}, 413, "$how: 1 MiB, over message.max.bytes: 413";
    problem_ok($r->{body}, 413, undef, "$how: 1 MiB: the document");

    $r = $send->('[' . '[],' x 349000 . '[]]');
    is $r->{status}, 422, "$how: 1 MiB of brackets: 422";
    is $send->('x' x 2200000)->{status}, 413, "$how: over client_max_body_size: 413";
}
alive('1 MiB');

{
    my $other = WarehouseNginx->new(
        kafka => commands_kafka() . "warehouse_kafka message.max.bytes 2000000;\n",
        server => 'client_max_body_size 2m; location / { warehouse_commands large; }');
    my $body = command('mib', ',"x":"' . 'y' x 1048576 . '"');
    accepted(exchange($other->{port}, post($body)), '1 MiB under message.max.bytes');
    written($body, '1 MiB under message.max.bytes', 'large');
    $other->stop('1 MiB');
}


# --- keep-alive after every kind of answer, and Expect

{
    my $socket = connect_to($port);
    for my $row ([post('x'), 400], [post(command('')), 422], [get('/commands'), 405],
                 [post(''), 400], [post_chunked('/commands', 'x', 'y'), 400],
                 [post(command('a') =~ s/increase/none/r), 422],
                 [post(command('a'), 'Content-Encoding' => 'gzip'), 415],
                 [post(command('a'), 'Content-Type' => 'text/plain'), 415],
                 [post_chunked('/commands', command('keep')), 200])
    {
        my ($request, $status) = @$row;
        syswrite $socket, $request;
        my $r = response($socket);
        is $r->{status}, $status, "one connection: $status";
        syswrite $socket, post(command('keep'));
        $r = response($socket);
        accepted($r, "one connection: a command after $status");
        $socket = connect_to($port) unless $r;
    }

    my $body = command('expect');
    my $request = post($body, Expect => '100-continue');
    syswrite $socket, substr $request, 0, -length $body;
    ok(IO::Select->new($socket)->can_read(20), 'Expect: nginx says something first');
    sysread $socket, my $continue, 25;
    is $continue, "HTTP/1.1 100 Continue\r\n\r\n", 'Expect: and it is 100';
    syswrite $socket, $body;
    accepted(response($socket), 'Expect: then the answer');
    written($body, 'Expect');
}

{
    # a refusal that the head is enough for comes instead of 100, and ends the
    # connection: what a client would send next is not known
    my $inner = get('/commands');      # never taken for a request
    my $body = command('expect') . $inner;
    my @refused = (
        ['text/plain', 415, post($body, 'Content-Type' => 'text/plain')],
        ['Content-Encoding', 415, post($body, 'Content-Encoding' => 'gzip')],
        ['a bad key', 400, post($body, 'Idempotency-Key' => '"a b"')],
        ['two keys', 400, post($body, 'Idempotency-Key' => "a\r\nIdempotency-Key: b")],
        ['PUT', 405, post($body) =~ s/^POST/PUT/r],
        ['DELETE', 405, post($body) =~ s/^POST/DELETE/r],
        ['GET', 405, post($body) =~ s/^POST/GET/r],
        ['HEAD', 405, post($body) =~ s/^POST/HEAD/r],
        ['PUT, chunked', 405, post_chunked('/commands', $body) =~ s/^POST/PUT/r],
        ['POST to the items', 405, post($body, _path => '/items')],
        ['a length that is too large', 413, post('x' x 70000)],
    );
    my @sent;                          # name, status, socket, answer
    for my $path ('', '/page') {
        for my $row (@refused) {
            my ($what, $status, $request) = @$row;
            my $name = "Expect, $what, $status" . ($path && ' by error_page');
            $request =~ s{^(\S+) }{$1 $path} if $path;
            $request =~ s/\r\n/\r\nExpect: 100-continue\r\n/;
            my ($head) = $request =~ /\A(.*?\r\n\r\n)/s;

            # the whole request may be on its way without waiting, too
            for my $part ($head, $status == 413 ? () : $request) {
                my $socket = connect_to($port);
                syswrite $socket, $part;
                push @sent, [$name . ($part ne $head && ', the body sent at once'),
                             $status, $socket, ''];
            }
        }
    }

    my %open = map { fileno($_->[2]) => $_ } @sent;
    my $deadline = time + 10;
    while (%open && time < $deadline) {
        for my $socket (IO::Select->new(map { $_->[2] } values %open)->can_read(0.1)) {
            my $one = $open{fileno $socket};
            sysread $socket, $one->[3], 65536, length $one->[3]
                or delete $open{fileno $socket};
        }
    }

    for my $one (@sent) {
        my ($name, $status, $socket, $answer) = @$one;
        ok !$open{fileno $socket}, "$name: the connection ends";
        like $answer, qr{\AHTTP/1\.1 $status }, "$name: the refusal comes first";
        is scalar(() = $answer =~ m{^HTTP/1\.1 }mg), 1, "$name: and nothing else";
        like $answer, qr/^Connection: close\r$/mi, "$name: Connection: close";
        problem_ok($answer =~ s/\A.*?\r\n\r\n//sr, $status, undef, "$name: the document")
            unless $name =~ /HEAD|413$/;    # the latter is a page of nginx's own
    }

    # without Expect the connection goes on
    my $socket = connect_to($port);
    syswrite $socket, post($body, 'Content-Type' => 'text/plain') . post(command('expect'));
    is response($socket)->{status}, 415, 'no Expect: 415';
    accepted(response($socket), 'no Expect: the connection goes on');

    # and an acceptable head still gets its 100
    for my $fields (['Idempotency-Key' => '"expect"'], ['Content-Type' => undef]) {
        my $request = post(command('expect'), @$fields, Expect => '100-Continue');
        my $at = index($request, "\r\n\r\n") + 4;
        $socket = connect_to($port);
        syswrite $socket, substr $request, 0, $at;
        ok(IO::Select->new($socket)->can_read(20), "Expect with $fields->[0]: nginx says something");
        sysread $socket, my $continue, 25;
        is $continue, "HTTP/1.1 100 Continue\r\n\r\n", "Expect with $fields->[0]: and it is 100";
        syswrite $socket, substr $request, $at;
        accepted(response($socket), "Expect with $fields->[0]: then the answer");
    }
    alive('Expect');
}


# --- pipelining

for my $round (0, 1) {
    my $socket = connect_to($port);
    my @skus = map { "pipe-$round-$_" } 1 .. 20;
    syswrite $socket, join '', map { post(command($_)) } @skus;
    my @answers = map { response($socket) } @skus;
    my @positions = map { $_ ? $_->{headers}{'warehouse-position'} : () } @answers;
    is scalar(@positions), 20, '20 pipelined commands: 20 positions';
    my ($first) = $positions[0] =~ /:(\d+)/;
    my %at = map { ("$_->{partition}:$_->{offset}" => $_->{key}) }
             records('commands', from => $first);
    is join(' ', map { $at{$_} } @positions), "@skus",
       'pipelined: distinct, in order, those of the records';
}

{
    # errors among them do not get the answers out of step
    my $socket = connect_to($port);
    syswrite $socket, join '', map { $_ % 3 ? post(command("mix-$_")) : post('bad') } 1 .. 12;
    is join(' ', map { my $r = response($socket); $r ? $r->{status} : '-' } 1 .. 12),
       join(' ', map { $_ % 3 ? 200 : 400 } 1 .. 12), 'pipelined with errors: in order';
}


# --- garbage and clients that go away

for my $garbage ("xyz\r\n", "-1\r\n", "ffffffffffffffffff\r\n", "5\r\nabcdefgh\r\n", "\r\n",
                 "\0\0\0\0", "3\r\n{}\r\n0\r\n", "1;" . 'x' x 5000)
{
    my $socket = connect_to($port);
    syswrite $socket, post($garbage, 'Content-Length' => undef,
                           'Transfer-Encoding' => 'chunked');
    shutdown $socket, 1;
    my $r = response($socket);
    ok !$r || $r->{status} == 400, 'chunked garbage: 400 or the connection closed'
        or diag "$r->{status} $r->{body}";
}
alive('chunked garbage');

{
    my $request = post(command('aborted'));
    for my $at (length($request) - 40 .. length $request) {
        my $socket = connect_to($port);
        syswrite $socket, substr $request, 0, $at;
        # every other one with a reset instead of an end
        $socket->setsockopt(SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0) if $at % 2;
        close $socket;
    }
    alive('aborts in the body and after it');

    my $socket = connect_to($port);
    syswrite $socket, substr(post(command('half')), 0, -5);
    shutdown $socket, 1;
    my $r = response($socket);
    ok !$r || $r->{status} == 400, 'half a body, then the end';

    $socket = connect_to($port);
    syswrite $socket, post_chunked('/small', 'x' x 500) =~ s/0\r\n\r\n$//r;
    close $socket;
    alive('an abort with the body in a file');
    is scalar(() = glob "$nginx->{dir}/client_body_temp/*"), 0, 'no temporary file is left';
}


# --- a body that is refused is never read as the next request

{
    my $inner = "GET /elsewhere HTTP/1.1\r\nHost: x\r\n\r\n" . 'x' x 70000;
    my $socket = connect_to($port);
    syswrite $socket, post_chunked('/commands', $inner);
    my $r = response($socket);
    is $r->{status}, 413, 'a request inside a body that is too large: 413';
    ok !response($socket), 'a request inside a body that is too large: not answered';
}


# --- a hundred at once

{
    my @skus = map { "at-once-$_" } 1 .. 100;
    my @answers = responses($port, map { post(command($_)) } @skus);
    is scalar(grep { $_ && $_->{status} == 200 } @answers), 100, 'a hundred at once: 200';
    my %at = map { ("$_->{partition}:$_->{offset}" => $_->{key}) } records('commands');
    is join(' ', map { $at{$_->{headers}{'warehouse-position'} // ''} // '-' } @answers),
       "@skus", 'a hundred at once: each has its own position';
}

$nginx->stop('bodies');

warehouse_blocks();
run_tests();

__DATA__

=== TEST 1: chunked
--- config
location = /commands { warehouse_commands; }
--- request eval
"POST /commands\n" . "2e\r\n{\"action\":\"increase\",\"sku\":\"chunked\",\"qty\":10}\r\n0\r\n\r\n"
--- more_headers
Transfer-Encoding: chunked
--- accepted
--- record
chunked {"action":"increase","sku":"chunked","qty":10}



=== TEST 2: in a temporary file
--- config
location = /commands {
    client_body_in_file_only clean;
    warehouse_commands;
}
--- request
POST /commands
{"action":"increase","sku":"file","qty":10}
--- accepted
--- record
file {"action":"increase","sku":"file","qty":10}



=== TEST 3: pipelined
--- config
location = /commands { warehouse_commands; }
--- pipelined_requests eval
[map { "POST /commands\n{\"action\":\"increase\",\"sku\":\"p$_\",\"qty\":1}" } 1 .. 5]
--- accepted
--- error_code eval
[(200) x 5]



=== TEST 4: in packets
--- config
location = /commands { warehouse_commands; }
--- request eval
[["POST /commands\n{\"action\":\"incr", "ease\",\"sku\":", {value => "\"packets\"", delay_before => 0.05}, ",\"qty\":1}"]]
--- accepted
--- error_code eval
[200]
--- record
packets {"action":"increase","sku":"packets","qty":1}
