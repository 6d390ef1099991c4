# ETags, conditions, HEAD, ranges, gzip, and what an answer stands for.

use Warehouse;
use WarehouseNginx;
use Test::More;

my $dir = "$ENV{WAREHOUSE_TEST_DIR}/conditions-$$";
mkdir $dir;
chmod 0777, $dir;
my $db = "$dir/warehouse.db";

my $locations = <<'CONF';
location = /items { warehouse_items; }
location /items/ { warehouse_items; }
location = /small { warehouse_items_buffer 64k; warehouse_items; }
location = /gzip { gzip on; gzip_min_length 1; gzip_types application/json; warehouse_items; }
location = /fallback { error_page 416 = @other; warehouse_items; }
location @other { return 200 "other"; }
location = /document { error_page 412 416 /problem; warehouse_items; }
location = /problem { internal; warehouse_problem; }
location = /off { etag off; warehouse_items; }
location /off/ { etag off; warehouse_items; }
CONF
my $nginx = WarehouseNginx->new(documented => 1, kafka => '', server => "warehouse_database $db;\n$locations");
my $second = WarehouseNginx->new(kafka => '', server => "warehouse_database $dir/copy.db;\n$locations");
my $port = $nginx->{port};

my @rows = (map { [sprintf('sku%05d', $_), $_] } 1 .. 20_000);
database($db, rows => \@rows);

sub etag { return $nginx->fetch(@_)->{headers}{etag} // 'none' }

my @paths = ('/items', '/items?limit=2', '/items?prefix=sku0000', '/items?sku=sku00002', '/items/sku00001', '/small');
my %etag = map { $_ => etag($_) } @paths;

# --- the same bytes, the same ETag

like $etag{$_}, qr/^"[0-9a-f]{32}"$/, "$_: a strong ETag" for @paths;
is $etag{'/small'}, $etag{'/items'}, 'in a file or in memory';
is scalar(keys %{{ map { $etag{$_} => 1 } @paths }}), @paths - 1, 'other bytes, another ETag';
my %format = map { $_ => etag('/items', Accept => $_) } 'application/x-ndjson', 'text/csv';
isnt $format{$_}, $etag{'/items'}, "$_: one of its own" for sort keys %format;

sql("$dir/copy.db", 'SELECT 1');
database("$dir/copy.db", rows => [reverse @rows]);
for my $path (@paths) {
    is exchange($second->{port}, get($path))->{headers}{etag}, $etag{$path}, "$path: the same of another database";
}

sql($db, "UPDATE items SET qty = 7 WHERE sku = 'sku00001';");
isnt etag($_), $etag{$_}, "$_: another after a change" for grep { !/sku00002/ } @paths;
is etag('/items?sku=sku00002'), $etag{'/items?sku=sku00002'}, 'not of what has not changed';
sql($db, "UPDATE items SET qty = 1 WHERE sku = 'sku00001';");
is etag($_), $etag{$_}, "$_: and back" for @paths;

# --- conditions

for my $path (@paths) {
    my $e = $etag{$path};
    for my $h ($e, "W/$e", "\"x\", $e", '*', "\"x\" , W/$e") {
        my $r = $nginx->fetch($path, 'If-None-Match' => $h);
        is $r->{status}, 304, "$path: If-None-Match: $h";
        is $r->{headers}{etag}, $e, "$path: 304 with the ETag";
        ok !exists $r->{headers}{'content-length'} && !exists $r->{headers}{'content-type'}, "$path: 304 has no body";
    }
    is exchange($port, get($path, _method => 'HEAD', 'If-None-Match' => $e), head => 1)->{status}, 304, "$path: HEAD, too";
    is $nginx->fetch($path, 'If-None-Match' => '"x"')->{status}, 200, "$path: another one";
    is $nginx->fetch($path, 'If-Match' => $e)->{status}, 200, "$path: If-Match";
    is $nginx->fetch($path, 'If-Match' => "W/$e")->{status}, 412, "$path: If-Match compares strongly";
    is $nginx->fetch($path, 'If-Match' => '"x"')->{status}, 412, "$path: If-Match of another one";
    my $date = 'Sun, 01 Jan 2017 00:00:00 GMT';
    is $nginx->fetch($path, 'If-Unmodified-Since' => $date)->{status}, 200, "$path: If-Unmodified-Since is ignored";
    is $nginx->fetch($path, 'If-Modified-Since' => $date)->{status}, 200, "$path: If-Modified-Since is ignored";
    is $nginx->fetch($path, 'If-Modified-Since' => $date, 'If-None-Match' => $e)->{status}, 304, "$path: beside an ETag";
}
is $nginx->fetch('/items', 'If-None-Match' => $etag{'/items'}, Accept => 'text/csv')->{status}, 200, 'the ETag of another format';
is $nginx->fetch('/items/none', 'If-None-Match' => '*')->{status}, 404, 'no item, no condition';
is $nginx->fetch('/items', 'If-None-Match' => $etag{'/items'})->{headers}{vary}, 'Accept', '304 with Vary';

# --- HEAD

for my $path (@paths) {
    my ($head, $get) = (exchange($port, get($path, _method => 'HEAD'), head => 1), $nginx->fetch($path));
    is $head->{status}, 200, "$path: HEAD";
    delete $_->{headers}{date} for $head, $get;
    is_deeply $head->{headers}, $get->{headers}, "$path: HEAD's headers are GET's";
}

# --- ranges

for my $path ('/items', '/small', '/items/sku00001', '/items?limit=1000') {
    my $whole = $nginx->fetch($path);
    my ($body, $size) = ($whole->{body}, length $whole->{body});
    is $whole->{headers}{'accept-ranges'}, 'bytes', "$path: ranges";
    for (['0-0', 0, 0], ['5-9', 5, 9], ['-3', $size - 3, $size - 1], ['7-', 7, $size - 1],
         ['0-' . ($size * 2), 0, $size - 1],
         $size > 300_000 ? map { [$_, split /-/] } '65530-65545', '100000-300000', '0-131072', "131071-" . ($size - 2) : ()) {
        my ($range, $from, $to) = @$_;
        my $r = $nginx->fetch($path, Range => "bytes=$range");
        is $r->{status}, 206, "$path: bytes=$range";
        is $r->{headers}{'content-range'}, "bytes $from-$to/$size", "$path: bytes=$range: which";
        ok same_bytes($r->{body}, substr $body, $from, $to - $from + 1), "$path: bytes=$range: the bytes";
    }
    my $r = $nginx->fetch($path, Range => 'bytes=0-1,5-6');
    is "$r->{status} " . length $r->{body}, "200 $size", "$path: several ranges: all of it";
    $r = $nginx->fetch($path, Range => "bytes=$size-");
    is $r->{status}, 416, "$path: past the end";
    is $r->{headers}{'content-range'}, "bytes */$size", "$path: how long it is";
    ok !exists $r->{headers}{etag}, "$path: an error has no ETag";
    is $nginx->fetch($path, Range => 'bytes=0-1', 'If-Range' => $whole->{headers}{etag})->{status}, 206, "$path: If-Range";
    is $nginx->fetch($path, Range => 'bytes=0-1', 'If-Range' => '"x"')->{status}, 200, "$path: If-Range of another one";
    is $nginx->fetch($path, Range => 'bytes=0-1', 'If-None-Match' => $whole->{headers}{etag})->{status}, 304, "$path: a condition first";
}

for my $status (412, 416) {
    my @h = $status == 412 ? ('If-Match' => '"x"') : (Range => 'bytes=99999999-');
    my $r = $nginx->fetch('/document', @h);
    is $r->{status}, $status, "$status: as a document";
    problem_ok($r->{body}, $status, undef, "$status: the document");
}

is $nginx->fetch('/document', Accept => 'text/csv', Range => 'bytes=99999999-')->{headers}{'content-type'},
    'application/problem+json', 'a problem has no charset of a list';

# a condition holds for the fallback's answer, too: there is none for 412
my $r = $nginx->fetch('/fallback', Range => 'bytes=99999999-');
is "$r->{status} $r->{body}", '200 other', 'error_page for 416';
is join(' ', grep { exists $r->{headers}{$_} } qw(etag warehouse-notifications-position vary link)), '',
    'error_page for 416: nothing of the list';

# --- gzip

$r = $nginx->fetch('/gzip', 'Accept-Encoding' => 'gzip');
is $r->{headers}{'content-encoding'}, 'gzip', 'gzip';
is $r->{headers}{etag}, "W/$etag{'/items'}", 'its ETag is weak';
open my $gunzip, '|-', "gzip -dc > $dir/unzipped" or die;
binmode $gunzip;
print $gunzip $r->{body};
close $gunzip;
ok same_bytes(slurp("$dir/unzipped"), $nginx->fetch('/items')->{body}), 'the same list';
is $nginx->fetch('/gzip', 'Accept-Encoding' => 'gzip', 'If-None-Match' => "W/$etag{'/items'}")->{status}, 304, 'and gets a 304';
is $nginx->fetch('/gzip', 'Accept-Encoding' => 'gzip', Range => 'bytes=0-1')->{status}, 200, 'no range of it';

$r = $nginx->fetch('/off', 'If-None-Match' => $etag{'/items'});
is "$r->{status} " . ($r->{headers}{etag} // 'none'), '200 none', 'etag off';
for my $path ('/off', '/off/sku00001') {
    is $nginx->fetch($path, 'If-Match' => $etag{'/items'})->{status}, 412, "$path: If-Match cannot hold then";
    is $nginx->fetch($path, 'If-None-Match' => '*')->{status}, 304, "$path: but it is there";
}

# --- what an answer stands for

my $position = 'warehouse-notifications-position';
is $nginx->fetch($_)->{headers}{$position}, undef, "$_: a database of before says nothing" for @paths;
sql($db, "INSERT INTO meta VALUES('notifications_topic', 'n');");
is $nginx->fetch($_)->{headers}{$position}, undef, "$_: nothing was notified" for @paths;
sql($db, "INSERT INTO positions VALUES('n', 0, 9007199254740991), ('commands', 0, 5), ('n', 1, 6);");
is $nginx->fetch($_)->{headers}{$position}, '0:9007199254740991', "$_: what it stands for" for @paths;
sql($db, "UPDATE positions SET next = 42 WHERE topic = 'n' AND partition = 0;");
for my $path (@paths) {
    my $r = $nginx->fetch($path, 'If-None-Match' => $etag{$path});
    is "$r->{status} $r->{headers}{$position}", '304 0:42', "$path: also without a change";
    is $nginx->fetch($path, Range => 'bytes=0-0')->{headers}{$position}, '0:42', "$path: of a part";
}
ok !exists $nginx->fetch('/items/none')->{headers}{$position}, 'not with an error';

$_->stop for $nginx, $second;
done_testing;
