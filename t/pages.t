# Parts of the list: single items, some skus, prefixes, pages.

use Warehouse;
use WarehouseNginx;
use Test::More;

my $dir = "$ENV{WAREHOUSE_TEST_DIR}/pages-$$";
mkdir $dir;
chmod 0777, $dir;
my $db = "$dir/warehouse.db";

my $nginx = WarehouseNginx->new(documented => 1, kafka => '', server => <<"CONF");
warehouse_database $db;
location = /items { warehouse_items; }
location /items/ { warehouse_items; }
location /stock { warehouse_items; }
location /rewritten/ { rewrite ^/rewritten/(.*) /items/\$1 last; }
location = /errors { error_page 404 = \@none; warehouse_items; }
location \@none { return 200 "none"; }
location /limited/ { limit_except GET { deny all; } warehouse_items; }
location ~ ^/regex(es)?\$ { if (\$request_method = GET) { set \$a 1; } warehouse_items; }
location /to/ { rewrite ^/to /broken/ last; }
location /broken/ { rewrite ^ /b break; warehouse_items; }
CONF
my $port = $nginx->{port};
my ($worker) = $nginx->workers;

sub is_body { my ($path, $want, $name) = @_;
    my $r = $nginx->fetch($path);
    is "$r->{status} $r->{body}", "200 $want", $name // $path;
    is $r->{headers}{'content-type'}, 'application/json', "$path: its type";
    return $r;
}
sub is_problem { my ($path, $status, $like, $name) = @_;
    my $r = $nginx->fetch($path);
    is $r->{status}, $status, $name // $path;
    problem_ok($r->{body}, $status, undef, "$path: the document");
    like $r->{body}, $like, "$path: what it says";
}
sub list { '[' . join(',', map { qq({"sku":"$_->[0]","qty":$_->[1]}) } @_) . ']' }

is $nginx->fetch('/items/a')->{status}, 503, 'no database yet';
is $nginx->fetch('/items?limit=1')->{status}, 503, 'no page either';

my @rows = map { [sprintf('p%04d', $_), $_] } 1 .. 2500;
database($db, rows => [@rows, ['a', 1], ['a/b', 2], ['//c', 3], ['d,e', 4], ['f%20g', 5], ['h i', 6],
                       ["\xc3\xa9", 7], ["\xf0\x9f\x98\x80", 8], ['+', 9], ['~', 0], ['%', 10],
                       ['<b>', 11], ['"', 12], ['q?r#s&t=u', 13], ['x' x 255, 14], ['/c', 15]]);

# --- one item

is_body('/items/a', '{"sku":"a","qty":1,"version":1}');
is_body('/items/a?', '{"sku":"a","qty":1,"version":1}');
is_body('/items/~', '{"sku":"~","qty":0,"version":1}', 'stock 0');
is_body('/items/a/b', '{"sku":"a/b","qty":2,"version":1}', 'a slash');
is_body('/items/a%2Fb', '{"sku":"a/b","qty":2,"version":1}', 'a slash encoded');
is_body('/items/a%2fb', '{"sku":"a/b","qty":2,"version":1}', 'in small letters');
is_body('/items///c', '{"sku":"//c","qty":3,"version":1}', 'slashes that are not merged');
is_body('/items/%2F%2Fc', '{"sku":"//c","qty":3,"version":1}');
is_body('//items/%2F%2Fc', '{"sku":"//c","qty":3,"version":1}', 'slashes before the prefix are');
is_body('/it%65ms/a', '{"sku":"a","qty":1,"version":1}', 'an encoded prefix');
is_body('/items/d,e', '{"sku":"d,e","qty":4,"version":1}', 'a comma');
is_body('/items/f%2520g', '{"sku":"f%20g","qty":5,"version":1}', 'decoded once');
is_body('/items/h%20i', '{"sku":"h i","qty":6,"version":1}');
is_body('/items/%C3%A9', qq({"sku":"\xc3\xa9","qty":7,"version":1}), 'UTF-8 encoded');
is_body("/items/\xc3\xa9", qq({"sku":"\xc3\xa9","qty":7,"version":1}), 'and as it is');
is_body('/items/%F0%9F%98%80', qq({"sku":"\xf0\x9f\x98\x80","qty":8,"version":1}));
is_body('/items/+', '{"sku":"+","qty":9,"version":1}', 'a plus sign is one');
is_body('/items/%2B', '{"sku":"+","qty":9,"version":1}');
is_body('/items/%25', '{"sku":"%","qty":10,"version":1}');
is_body('/items/%3Cb%3E', '{"sku":"<b>","qty":11,"version":1}', 'markup');
is_body('/items/%22', '{"sku":"\"","qty":12,"version":1}', 'a quotation mark');
is_body('/items/q%3Fr%23s&t=u', '{"sku":"q?r#s&t=u","qty":13,"version":1}');
is_body('/items/' . encoded('x' x 255), '{"sku":"' . 'x' x 255 . '","qty":14,"version":1}', 'the longest');
is_body('/stock/a', '{"sku":"a","qty":1,"version":1}', 'a location without a slash at its end');
is_body('/rewritten/a', '{"sku":"a","qty":1,"version":1}', 'after a rewrite');
is_body('/limited/a', '{"sku":"a","qty":1,"version":1}', 'with limit_except');
is_body('/regex?sku=a', list(['a', 1]), 'an "if" in a location without a prefix');
is_body('/broken/a', '{"sku":"a","qty":1,"version":1}', 'what was asked for, not what it is rewritten to');
is $nginx->fetch('/to/a')->{status}, 404, 'neither of them is below the prefix';

is_problem('/items/nothing', 404, qr/no item/);
is_problem('/items/A', 404, qr/no item/, 'bytewise');
is_problem('/stocks', 404, qr/address/, 'another address');
is_problem("/items/$_", 400, qr/255 bytes of UTF-8/, "no sku: $_")
    for '%01', '%7F', '%C2%80', '%FF', '%C3', '%ED%A0%80', encoded('x' x 256);
is $nginx->fetch('/items/%00')->{status}, 400, 'a NUL';
is exchange($port, "DELETE /items/a HTTP/1.1\r\nHost: x\r\n\r\n")->{status}, 405, 'no other method';
{
    my $r = exchange($port, get('/items/a', _method => 'HEAD'), head => 1);
    is $r->{status}, 200, 'HEAD';
    is $r->{headers}{'content-length'}, length '{"sku":"a","qty":1,"version":1}', 'HEAD: the length';
}

# --- some skus

is_body('/items?sku=a', list(['a', 1]));
is_body('/items?sku=p0002,a,p0001', list(['a', 1], ['p0001', 1], ['p0002', 2]), 'in the order of a list');
is_body('/items?sku=a,a,a', list(['a', 1]), 'each once');
is_body('/items?sku=nothing', '[]', 'none');
is_body('/items?sku=nothing,a', list(['a', 1]), 'those there are');
is_body('/items?sku=d%2Ce,%2F%2Fc', list(['//c', 3], ['d,e', 4]), 'encoded commas');
is_body('/items?sku=a/b,h%20i,+,//c', list(['+', 9], ['//c', 3], ['a/b', 2], ['h i', 6]));
is_body('/stock//c', '{"sku":"/c","qty":15,"version":1}', 'one slash parts it from the prefix');
is_body('/stock?sku=a', list(['a', 1]));
is_body('/items?sku=' . join(',', map { $_->[0] } @rows[0 .. 99]), list(@rows[0 .. 99]), 'a hundred');

# --- pages

is_body('/items?prefix=p000', list(@rows[0 .. 8]));
is_body('/items?prefix=nothing', '[]');
is_body('/items?prefix=%C3%A9', list(["\xc3\xa9", 7]));
is_body('/items?prefix=p000&after=p0003', list(@rows[3 .. 8]));
is_body('/items?after=p0003&prefix=p000', list(@rows[3 .. 8]));
is_body('/items?prefix=p000&after=a', list(@rows[0 .. 8]), 'after something before the prefix');
is_body('/items?prefix=p000&after=q', '[]', 'after something behind it');
is_body('/items?prefix=p0001&after=p0001', '[]', 'after the prefix itself');

my $r = is_body('/items?prefix=p&limit=2', list(@rows[0, 1]));
is $r->{headers}{link}, '<?limit=2&prefix=p&after=p0002>; rel="next"', 'where it goes on';
$r = is_body('/items?prefix=p249&limit=10', list(@rows[2489 .. 2498]));
is $r->{headers}{link}, undef, 'a page that is just full, and the last';
$r = is_body('/items?prefix=p', list(@rows[0 .. 999]), 'a thousand at most');
is $r->{headers}{link}, '<?limit=1000&prefix=p&after=p1000>; rel="next"', 'and on';
$r = is_body('/items?limit=1&prefix=d', list(['d,e', 4]));
$r = is_body('/items?limit=1&prefix=%25', list(['%', 10]));
$r = is_body('/items?limit=1&after=%22', list(['%', 10]));
is $r->{headers}{link}, '<?limit=1&after=%25>; rel="next"', 'encoded';

for my $limit (1, 7, 1000) {
    my ($path, $all, $n) = ("/items?limit=$limit&prefix=p00", '', 0);
    while ($path && $n++ < 200) {
        my $r = $nginx->fetch($path);
        is $r->{status}, 200, $path if $r->{status} != 200;
        $all .= substr($r->{body}, 1, -1) . ',';
        $path = ($r->{headers}{link} // '') =~ /^<([^>]+)>/ ? "/items$1" : undef;
    }
    is '[' . substr($all, 0, -1) . ']', list(@rows[0 .. 98]), "pages of $limit";
}

# --- what is wrong with a query

is_problem("/items?$_->[0]", 400, $_->[1], "a query: " . substr $_->[0], 0, 40) for (
    ['limit=0', qr/limit/], ['limit=1001', qr/limit/], ['limit=-1', qr/limit/], ['limit=', qr/limit/],
    ['limit', qr/limit/], ['limit=1e2', qr/limit/], ['limit=99999999999999999999', qr/limit/],
    ['limit=+1', qr/limit/], ['limit=1&limit=1', qr/limit.*twice/],
    ['sku=', qr/sku/], ['sku=a,', qr/sku/], ['sku=,a', qr/sku/], ['sku=a,,b', qr/sku/], ['sku', qr/sku/],
    ['sku=%', qr/sku/], ['sku=%4', qr/sku/], ['sku=%zz', qr/sku/], ['sku=%00', qr/sku/],
    ['sku=%C3', qr/sku/], ['sku=' . 'x' x 256, qr/sku/],
    ['sku=' . join(',', (1) x 101), qr/more than 100/], ['sku=a&limit=1', qr/no other/],
    ['sku=a&sku=b', qr/sku.*twice/], ['prefix=', qr/prefix/], ['after=', qr/after/],
    ['prefix=%FF', qr/prefix/], ['after=%0A', qr/after/], ['order=sku', qr/no parameter.*order/],
    ['Limit=1', qr/no parameter.*Limit/], ['%6Cimit=1', qr/no parameter/], ['&', qr/no parameter/],
    ['=1', qr/no parameter/], ['a"b\\=1', qr/a\?b\?/],
    [join('&', map { "a$_=1" } 1 .. 1000), qr/no parameter.*a1/],
    [join('&', ('limit=1') x 1000), qr/twice/]);

# --- the stock being recovered, and gone

my $writer = writer($db);
$writer->("UPDATE meta SET value = 'recovering' WHERE name = 'state';");
for my $path ('/items/a', '/items?sku=a', '/items?limit=1') {
    is_problem($path, 503, qr/recovered/, "$path: recovering");
}
$writer->("UPDATE meta SET value = 'ready' WHERE name = 'state';");
for my $n (1 .. 20) {
    $writer->("UPDATE items SET qty = $n, version = version + 1 WHERE sku = 'a';");
    my $r = $nginx->fetch('/items/a');
    is $r->{body}, qq({"sku":"a","qty":$n,"version":@{[$n + 1]}}), 'each commit is seen at once';
}
$writer->("PRAGMA user_version = 99; UPDATE items SET qty = 100;");
is_problem('/items/a', 503, qr/cannot be read/, 'a schema of the future');
$writer->("PRAGMA user_version = 2; UPDATE items SET qty = 101;");
is $nginx->fetch('/items/a')->{status}, 200, 'and back';
$writer->();
unlink $db, "$db-wal", "$db-shm";
is_problem('/items/a', 503, qr/no stock yet/, 'gone');
is join(' ', $nginx->workers), $worker, 'the worker is the same';

done_testing;
