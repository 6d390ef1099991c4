# The list of items: its bytes, its snapshot, and databases that come and go.

use Warehouse;
use WarehouseNginx;
use Test::Nginx::Socket 'no_plan';

use Compress::Zlib ();
use IO::Select ();
use Socket qw(SOL_SOCKET SO_RCVBUF inet_aton pack_sockaddr_in);
use Time::HiRes qw(sleep time);

my $dir = "$ENV{WAREHOUSE_TEST_DIR}/items-$$";
mkdir $dir;
chmod 0777, $dir;
my $db = "$dir/warehouse.db";

my $nginx = WarehouseNginx->new(workers => 2, kafka => '', server => <<"CONF");
location = /items { warehouse_items $db; warehouse_items_buffer 64k; }
location = /gzip { gzip on; gzip_types application/json; gzip_min_length 0;
                   warehouse_items $db; warehouse_items_buffer 64k; }
location = /alive { return 200 "alive"; }
location /server {
    warehouse_database $db;
    location = /server/items { warehouse_items; limit_except GET { deny all; } }
    location = /server/other { warehouse_database $dir/nowhere.db; warehouse_items; }
    location = /server/own { warehouse_database $dir/nowhere.db; warehouse_items $db; }
}
CONF
my $port = $nginx->{port};
my @workers = sort $nginx->workers;

# Every worker has a connection of its own to the database: some requests.
sub is_items { my ($want, $name) = @_;
    my @r = map { exchange($port, get('/items')) } 1 .. 6;
    my ($bad) = grep { !$_ || $_->{status} != 200 || $_->{body} ne $want
                       || $_->{headers}{'content-type'} ne 'application/json' } @r;
    same_bytes($bad ? "$bad->{status} $bad->{body}" : "200 $want", "200 $want", $name);
}

# retry: Retry-After is there, or is not (0), or may be ('?').
sub unavailable { my ($name, $retry) = @_;
    $retry //= 1;
    for my $r (map { exchange($port, get('/items')) } 1 .. 4) {
        is $r->{status}, 503, "$name: 503" or diag substr $r->{body}, 0, 200;
        problem_ok($r->{body}, 503, undef, "$name: the document");
        my $after = $r->{headers}{'retry-after'} // 'none';
        like $after, $retry eq '?' ? qr/^(?:[1-9]\d*|none)$/ : $retry ? qr/^[1-9]\d*$/ : qr/^none$/,
             "$name: Retry-After";
    }
    is exchange($port, get('/alive'))->{body}, 'alive', "$name: the rest is served";
}

# Another file in the place of the database, the way a restore does it.
sub replaced_by { my ($path) = @_;
    rename $path, $db or die "rename: $!";
    for my $suffix ('-wal', '-shm') {
        unlink "$db$suffix";
        rename "$path$suffix", "$db$suffix" if -e "$path$suffix";
    }
}

sub removed { unlink $db, "$db-wal", "$db-shm" }


# --- a database that comes, changes, goes; nginx is never reloaded

unavailable('a missing database');

database($db);
is_items('[]', 'it appears: an empty list');

sql($db, Warehouse::rows(['b', 2], ['a', 1]));
is_items('[{"sku":"a","qty":1},{"sku":"b","qty":2}]', 'a change is seen by the next request');

for my $path ('/server/items', '/server/own') {
    is exchange($port, get($path))->{body}, exchange($port, get('/items'))->{body},
        "$path: warehouse_database";
}
is exchange($port, get('/server/other'))->{status}, 503, 'warehouse_database of the location itself';

my $writer = writer($db);
$writer->("BEGIN IMMEDIATE; UPDATE items SET qty = 7 WHERE sku = 'a';");
is_items('[{"sku":"a","qty":1},{"sku":"b","qty":2}]', 'not before it is committed');
$writer->('COMMIT;');
is_items('[{"sku":"a","qty":7},{"sku":"b","qty":2}]', 'and then at once');
for my $n (1 .. 50) {
    $writer->("UPDATE items SET qty = $n WHERE sku = 'b';");
    my $r = exchange($port, get('/items'));
    next if $r->{body} eq qq([{"sku":"a","qty":7},{"sku":"b","qty":$n}]);
    is $r->{body}, "qty $n", 'each commit is seen by the next request';
    last;
}
$writer->("UPDATE meta SET value = 'recovering' WHERE name = 'state';");
unavailable('recovering');
$writer->("UPDATE meta SET value = 'ready' WHERE name = 'state';");
is_items('[{"sku":"a","qty":7},{"sku":"b","qty":50}]', 'ready again');
$writer->("DELETE FROM meta WHERE name = 'state';");
unavailable('no state', '?');
$writer->("INSERT INTO meta VALUES('state', 'ready');");
$writer->();

replaced_by(database("$dir/other.db", rows => [['other', 1]]));
is_items('[{"sku":"other","qty":1}]', 'replaced by another file');

replaced_by(database("$dir/later.db", schema => 5, rows => [['x', 1]]));
unavailable('a schema of the future', 0);

replaced_by(database("$dir/none.db", schema => 0, rows => [['x', 1]]));
unavailable('tables without a version', '?');

replaced_by(spew("$dir/empty", ''));
unavailable('an empty file', '?');

replaced_by(spew("$dir/text", "this is no database\n" x 1000));
unavailable('a text file', '?');

replaced_by(spew("$dir/short", 'SQLite format 3'));
unavailable('a cut off file', '?');

mkdir "$dir/directory";
removed();
rename "$dir/directory", $db;
unavailable('a directory', '?');
rmdir $db;

sql("$dir/foreign", "CREATE TABLE t(a); PRAGMA user_version = 1;");
chmod 0666, glob "$dir/foreign*";
replaced_by("$dir/foreign");
unavailable('tables of something else, the version right', '?');

database($db, rows => [['again', 3]]);
is_items('[{"sku":"again","qty":3}]', 'a good one after all these');

removed();
unavailable('removed');
database($db, state => 'recovering', rows => [['again', 4]]);
unavailable('made anew and recovering');
sql($db, "UPDATE meta SET value = 'ready';");
is_items('[{"sku":"again","qty":4}]', 'made anew and ready');


# --- bytes

my @rows = (map({ [$_, 1] } 'A', 'Z', 'a', 'z', '10', '9', 'aa', 'a ', ' a', '~', "\xc2\xa0", '_',
                "\xc3\xa9", "\xef\xbf\xbd", "\xf0\x9f\x98\x80", "e\xcc\x81", '/', '\\', '"',
                '\\"', '\\u0041', '</script>', "'", '%s%n', 'k' x 255),
            ['max', 9007199254740991], ['zero', 0], ['big', 4503599627370497]);
database($db, rows => \@rows);
is_items(items_json(@rows), 'sorted by bytes, escaped, UTF-8, numbers in full');

{
    my $r = exchange($port, get('/items'));
    my $head = exchange($port, get('/items', _method => 'HEAD'), head => 1);
    is $head->{status}, 200, 'HEAD: 200';
    is $head->{headers}{'content-length'}, length items_json(@rows), 'HEAD: the length';
    is $head->{headers}{'content-type'}, 'application/json', 'HEAD: the type';

    for my $method (qw(POST PUT DELETE OPTIONS PATCH)) {
        my $r = exchange($port, get('/items', _method => $method));
        is "$r->{status} $r->{headers}{allow}", '405 GET, HEAD', "$method: 405 and Allow";
        problem_ok($r->{body}, 405, undef, "$method: the document");
    }
    my $socket = connect_to($port);
    syswrite $socket, get('/items', 'Content-Length' => 5) . 'abcde' . get('/alive');
    is response($socket)->{body}, items_json(@rows), 'GET with a body';
    is response($socket)->{body}, 'alive', 'and the request after it';

    $r = exchange($port, get('/items', Range => 'bytes=0-4'));
    ok $r->{status} == 200 && $r->{body} eq items_json(@rows)
       || $r->{status} == 206 && $r->{body} eq substr(items_json(@rows), 0, 5),
       'a range: the whole or the range';
}


# --- 100,000 items: past the buffer, so through a temporary file

my @many = map { [sprintf('sku-%06d', $_), 1] } 1 .. 100000;
database($db);
my $seed = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)"
           . " INSERT OR REPLACE INTO items SELECT printf('sku-%06d', i), 1, 1 FROM n;\n";
sql($db, $seed);
my $long = items_json(@many);

same_bytes(exchange($port, get('/items'))->{body}, $long, '100,000 items');
is exchange($port, get('/items', _method => 'HEAD'), head => 1)->{headers}{'content-length'},
   length $long, '100,000 items: HEAD';

{
    my $r = exchange($port, get('/gzip', 'Accept-Encoding' => 'gzip'));
    is $r->{headers}{'content-encoding'}, 'gzip', '100,000 items: gzip';
    same_bytes(Compress::Zlib::memGunzip($r->{body}), $long, '100,000 items: gunzipped');

    $r = exchange($port, get('/items', Range => 'bytes=1000000-1000099'));
    ok $r->{status} == 200 && $r->{body} eq $long
       || $r->{status} == 206 && $r->{body} eq substr($long, 1000000, 100),
       '100,000 items: a range';
}

{
    # clients that do not read while the daemon goes on writing: each gets one
    # snapshot, whole; all quantities of a snapshot are the same number
    my $update = writer($db);
    my @slow = map {
        my $socket = IO::Socket::INET->new(Proto => 'tcp');
        $socket->setsockopt(SOL_SOCKET, SO_RCVBUF, 4096);
        $socket->connect(pack_sockaddr_in($port, inet_aton('127.0.0.1')));
        syswrite $socket, get('/items');
        $socket;
    } 1 .. 4;
    my @first = map { IO::Select->new($_)->can_read(20) ? 1 : 0 } @slow;
    is "@first", '1 1 1 1', 'slow clients: the answers begin';

    for my $n (2 .. 12) {
        $update->("BEGIN IMMEDIATE; UPDATE items SET qty = $n; COMMIT;"
                  . ' PRAGMA wal_checkpoint(TRUNCATE);');
    }
    is -s "$db-wal", 0, 'slow clients: the WAL is not pinned';

    for my $socket (@slow) {
        my $r = response($socket, timeout => 60);
        my ($n) = ($r->{body} // '') =~ /"qty":(\d+)/;
        same_bytes($r->{body}, $long =~ s/"qty":1\}/"qty":$n}/gr,
                   'slow clients: one snapshot, whole');
    }

    # readers and a writer at once
    my $deadline = time + 2;
    my ($torn, $answers, $n) = (0, 0, 100);
    my @sockets = map { my $s = connect_to($port); syswrite $s, get('/items'); $s } 1 .. 4;
    while (time < $deadline) {
        $update->('BEGIN IMMEDIATE; UPDATE items SET qty = ' . ++$n . '; COMMIT;');
        for my $socket (@sockets) {
            my $r = response($socket, timeout => 60);
            my %seen = map { $_ => 1 } ($r->{body} // '') =~ /"qty":(\d+)/g;
            $torn++ unless $r && $r->{status} == 200 && keys %seen == 1;
            $answers++;
            syswrite $socket, get('/items');
        }
    }
    response($_, timeout => 60) for @sockets;
    cmp_ok $answers, '>=', 4, "readers and a writer: $answers answers";
    is $torn, 0, 'readers and a writer: none is torn';
    $update->();
}

{
    # clients that leave in the middle
    for (1 .. 10) {
        my $socket = connect_to($port);
        syswrite $socket, get('/items');
        IO::Select->new($socket)->can_read(20);
        sysread $socket, my $some, 1000;
        close $socket;
    }
    is exchange($port, get('/alive'))->{body}, 'alive', 'clients that leave: served on';
    ok wait_until(10, sub {
        !grep { -f } map { glob "$nginx->{dir}/${_}_temp/* $nginx->{dir}/${_}_temp/*/*/*" }
                     qw(client_body proxy)
    }), 'no temporary file is left';
}

{
    # removed in the middle of an answer, the answer is whole
    my $socket = connect_to($port);
    syswrite $socket, get('/items');
    IO::Select->new($socket)->can_read(20);
    removed();
    my $r = response($socket, timeout => 60);
    my ($n) = $r->{body} =~ /"qty":(\d+)/;
    same_bytes($r->{body}, $long =~ s/"qty":1\}/"qty":$n}/gr, 'removed meanwhile: whole');
    unavailable('removed meanwhile: the next');
}

is join(' ', sort $nginx->workers), "@workers", 'the workers are the same';
$nginx->stop('items');

warehouse_blocks();
run_tests();

__DATA__

=== TEST 1: an empty list
--- init
Warehouse::database($ENV{TEST_NGINX_DB})
--- config
location = /items { warehouse_items $TEST_NGINX_DB; }
--- request
GET /items
--- response_headers
Content-Type: application/json
Content-Length: 2
--- response_body chomp
[]



=== TEST 2: sorted, in the exact form
--- init
Warehouse::database($ENV{TEST_NGINX_DB}, rows => [['b', 0], ['SKU123', 16], ['a', 9007199254740991]])
--- config
location = /items { warehouse_items $TEST_NGINX_DB; }
--- request eval
["GET /items", "GET /items?"]
--- response_body eval
[('[{"sku":"SKU123","qty":16},{"sku":"a","qty":9007199254740991},{"sku":"b","qty":0}]') x 2]
--- response_headers eval
[("Content-Type: application/json\n") x 2]
--- error_code eval
[200, 200]



=== TEST 3: HEAD
--- config
location = /items { warehouse_items $TEST_NGINX_DB; }
--- request
HEAD /items
--- response_headers eval
"Content-Type: application/json\nContent-Length: "
. length Warehouse::items_json(['b', 0], ['SKU123', 16], ['a', 9007199254740991])
--- response_body



=== TEST 4: 405
--- config
location = /items { warehouse_items $TEST_NGINX_DB; }
--- request eval
["POST /items\nx", "DELETE /items", "OPTIONS /items", "PUT /items\n[]"]
--- problem
405
--- response_headers
Allow: GET, HEAD



=== TEST 5: a missing database
--- config
location = /items { warehouse_items $TEST_NGINX_DB.none; }
--- request
GET /items
--- problem
503
--- raw_response_headers_like chomp
\r\nRetry-After: [1-9]\d*\r\n



=== TEST 6: a wrong schema
--- init
Warehouse::database("$ENV{TEST_NGINX_DB}", schema => 5)
--- config
location = /items { warehouse_items $TEST_NGINX_DB; }
--- request
GET /items
--- problem
503
--- raw_response_headers_unlike chomp
Retry-After



=== TEST 7: HTTP/1.0 and a small buffer
--- init
Warehouse::database($ENV{TEST_NGINX_DB}, rows => [map { [sprintf('%04d', $_), $_] } 1 .. 2000])
--- http_config
warehouse_items_buffer 1k;
--- config
location = /items { warehouse_items $TEST_NGINX_DB; }
--- request
GET /items HTTP/1.0
--- response_body eval
Warehouse::items_json(map { [sprintf('%04d', $_), $_] } 1 .. 2000)
