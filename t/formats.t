# The list in other formats: negotiation, NDJSON, CSV.

use JSON::PP ();
use Warehouse;
use WarehouseNginx;
use Test::More;

my $dir = "$ENV{WAREHOUSE_TEST_DIR}/formats-$$";
mkdir $dir;
chmod 0777, $dir;
my $db = "$dir/warehouse.db";

my $nginx = WarehouseNginx->new(documented => 1, kafka => '', server => <<"CONF");
warehouse_database $db;
location = /items { warehouse_items; }
location /items/ { warehouse_items; }
location = /small { warehouse_items_buffer 64k; warehouse_items; }
location = /errors { error_page 406 = \@other; warehouse_items; }
location \@other { return 200 "other"; }
CONF
my $port = $nginx->{port};

my %type = (json => 'application/json', ndjson => 'application/x-ndjson', csv => 'text/csv');
my %full = (%type, csv => 'text/csv; charset=utf-8');

sub csv_field { my ($s) = @_; $s =~ s/"/""/g; return $s =~ /[",]/ ? qq("$s") : $s }
sub list { my ($format, @rows) = @_;
    @rows = sort { $a->[0] cmp $b->[0] } @rows;
    return items_json(@rows) if $format eq 'json';
    return join '', map { items_json($_) =~ /^\[(.*)\]$/s && "$1\n" } @rows if $format eq 'ndjson';
    return join '', "sku,qty\r\n", map { csv_field($_->[0]) . ",$_->[1]\r\n" } @rows;
}
sub is_list { my ($format, $path, $name, @rows) = @_;
    my $r = $nginx->fetch($path, Accept => $type{$format});
    is $r->{status}, 200, "$name, $format: 200";
    ok same_bytes($r->{body}, list($format, @rows)), "$name, $format: the bytes";
    is $r->{headers}{'content-type'}, $full{$format}, "$name, $format: its type";
    is $r->{headers}{vary}, 'Accept', "$name, $format: Vary";
    return $r;
}

# --- an empty list

database($db);
is_list($_, '/items', 'empty') for sort keys %type;
is $nginx->fetch('/items', Accept => $type{ndjson})->{headers}{'content-length'}, 0, 'an empty NDJSON list has a length';
is_list($_, '/items?prefix=x', 'an empty page') for sort keys %type;

# --- skus that try to break a format

my @rows = map { [$_, length] } 'a', 'a,b', '"', '"quoted"', ',', '""', 'a"b,c', '=1+1', '+1', '-1', '@x', ' lead',
    'trail ', "\xc3\xa9", "\xe2\x80\xa8", "\xf0\x9f\x98\x80", '<script>alert(1)</script>', "'", '\\', '\\"', '#',
    "\xef\xbb\xbfbom", 'x' x 255, '"' x 255, ',' x 255;
sql($db, Warehouse::rows(@rows));
is_list($_, '/items', 'odd skus', @rows) for sort keys %type;
is_list($_, '/items?limit=1000', 'odd skus in a page', @rows) for sort keys %type;
is_list('csv', '/items?sku=a%2Cb,%22', 'some of them', ['a,b', 3], ['"', 1]);

my @lines = split /\n/, $nginx->fetch('/items', Accept => $type{ndjson})->{body}, -1;
is pop @lines, '', 'every line of NDJSON ends';
is scalar(grep { eval { JSON::PP->new->utf8->decode($_)->{qty} } } @lines), @rows, 'every line is JSON';

open my $python, '|-', 'python3', '-c', 'import csv,sys
rows = list(csv.reader(sys.stdin, strict=True))
assert rows[0] == ["sku", "qty"], rows[0]
assert all(len(r) == 2 and len(r[0].encode("utf-8")) == int(r[1]) for r in rows[1:]), rows
assert len(rows) == 1 + int(sys.argv[1])', scalar @rows or die;
binmode $python;
print $python $nginx->fetch('/items', Accept => $type{csv})->{body};
ok close $python, 'a CSV reader gets them all back';

# --- which format

for (
    ['', 'json'], ['*/*', 'json'], ['application/*', 'json'], ['text/*', 'csv'], ['text/csv', 'csv'],
    ['TEXT/CSV', 'csv'], ['application/x-ndjson', 'ndjson'], ['text/csv, application/json', 'json'],
    ['text/csv, application/json;q=0.9', 'csv'], ['text/csv;q=0.5, application/x-ndjson;q=0.501', 'ndjson'],
    ['application/json;q=0, */*', 'ndjson'], ['application/*;q=0, */*;q=0.1', 'csv'],
    ['text/html, image/gif, *; q=.2, */*; q=.2', 'json'], ['text/html,application/xml;q=0.9,*/*;q=0.8', 'json'],
    ['text/csv; header=present', 'csv'], ['text/csv;a="x,y;q=0";q=1', 'csv'], ['nonsense', 'json'],
    ['text/csv;q=2', 'json'], [',,text/csv,,', 'csv'],
) {
    my ($accept, $format) = @$_;
    is $nginx->fetch('/items', Accept => $accept)->{headers}{'content-type'}, $full{$format}, "Accept: $accept";
}
is $nginx->fetch('/items')->{headers}{'content-type'}, $type{json}, 'no Accept';
is exchange($port, "GET /items HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\nAccept: text/csv\r\n\r\n")
    ->{headers}{'content-type'}, $full{csv}, 'two fields';

for my $accept ('text/html', 'application/json;q=0', 'application/jso', 'application/json2', 'text/cs, image/*') {
    my $r = $nginx->fetch('/items', Accept => $accept);
    is $r->{status}, 406, "Accept: $accept";
    problem_ok($r->{body}, 406, undef, "Accept: $accept: the document");
    like $r->{body}, qr{application/json, application/x-ndjson and text/csv}, "Accept: $accept: what there is";
}
is $nginx->fetch('/items?limit=1', Accept => 'text/html')->{status}, 406, 'a page, too';
is $nginx->fetch('/errors', Accept => 'text/html')->{body}, 'other', 'error_page for 406';
is $nginx->fetch('/items/a', Accept => 'text/html')->{status}, 200, 'an item is JSON to all';

# --- a list past the buffer; a commit between them; all at once

my @many = map { [sprintf('m%06d%s', $_, $_ % 7 ? '' : ',"'), $_] } 1 .. 60_000;
database($db, rows => \@many);
is_list($_, '/small', 'a long list', @many) for sort keys %type;
for my $turn (1 .. 3) {
    $many[0][1] += 1;
    sql($db, "UPDATE items SET qty = qty + 1 WHERE sku = 'm000001';");
    my @formats = (sort keys %type) x 4;
    my @r = responses($port, map { get('/small', Accept => $type{$_}) } @formats);
    is scalar(grep { $r[$_] && $r[$_]{body} eq list($formats[$_], @many) } 0 .. $#r), @formats,
        "turn $turn: all formats at once";
}
removed();
is $nginx->fetch('/small', Accept => $type{$_})->{status}, 503, "$_: the database is gone" for sort keys %type;
database($db, rows => [['back', 1]]);
is_list($_, '/small', 'back again', ['back', 1]) for sort keys %type;

sub removed { unlink $db, "$db-wal", "$db-shm" }

$nginx->stop;
done_testing;
