# Input that is made to break things: header fields, parameters and skus, over
# HTTP/1.1 and, in frames made by hand, over HTTP/2.

use JSON::PP ();
use Socket qw(SOL_SOCKET SO_RCVTIMEO);
use Warehouse;
use WarehouseNginx;
use Test::More;

my ($db, $h2_port) = ("$ENV{WAREHOUSE_TEST_DIR}/hard-$$.db", free_port());
my $nginx = WarehouseNginx->new(documented => 1, server => <<"CONF");
listen 127.0.0.1:$h2_port http2;
large_client_header_buffers 4 256k;
warehouse_database $db;
error_page 400 404 405 408 412 413 414 416 494 500 501 502 503 504 /problem;
location /items { warehouse_items; }
location = /commands { warehouse_commands; }
location = /metrics { warehouse_metrics; }
location = /problem { internal; warehouse_problem; }
CONF
my ($port, $worker) = ($nginx->{port}, $nginx->workers);

sub decoded { my ($r) = @_; return eval { JSON::PP->new->utf8->decode($r->{body}) } }
sub short { my ($s) = @_; $s =~ s/([^!-~])/sprintf '\\x%02x', ord $1/ge; return length $s > 50 ? substr($s, 0, 50) . '...' : $s }
sub none_odd { my ($name, @odd) = @_; is join("\n", @odd), '', $name }

# --- HTTP/1.1

sub request { my ($method, $path, $body, @h) = @_;
    my $head = "$method $path HTTP/1.1\r\nHost: localhost\r\n" . (defined $body ? 'Content-Length: ' . length($body) . "\r\n" : '');
    while (my ($name, $value) = splice @h, 0, 2) { $head .= "$name: $value\r\n" }
    return "$head\r\n" . ($body // '');
}
sub or_none { $_[0] // { status => 'none', body => '', headers => {}, head => '' } }
sub http1 { return or_none(exchange($port, request(@_), head => $_[0] eq 'HEAD')) }
sub fetch { return http1('GET', $_[0], undef, @_[1 .. $#_]) }

# --- HTTP/2: RFC 9113, and of RFC 7541 as much as nginx makes use of

my %huffman;
my ($code, $before) = (0, 5);
for ([5, '012aceiost'], [6, ' %-./3456789=A_bdfghlmnpru'], [7, ':BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz'], [8, '&*,;XZ'], [10, '!"()?'],
     [11, '\'+|'], [12, '#>'], [13, "\0\$@[]~"], [14, '^}'], [15, '<`{'], [19, '\\']) {
    my ($bits, $characters) = @$_;
    $code <<= $bits - $before;
    $huffman{sprintf '%0*b', $before = $bits, $code++} = $_ for split //, $characters;
}
my $codes = join '|', keys %huffman;
my %static = (8 => ':status', 28 => 'content-length', 31 => 'content-type', 33 => 'date', 54 => 'server', 59 => 'vary');
my @statuses = (200, 204, 206, 304, 400, 404, 500);

sub frame { my ($type, $flags, $stream, $payload) = @_; return substr(pack('NCCN', length $payload, $type, $flags, $stream), 1) . $payload }
sub string { my ($s) = @_;
    my ($n, $length) = (length($s) - 127, '');
    return chr(length $s) . $s if $n < 0;
    for (; $n > 127; $n >>= 7) { $length .= chr(128 + $n % 128) }
    return "\x7f$length" . chr($n) . $s;
}
sub number { my ($block, $bits) = @_;
    my ($n, $shift) = (ord(substr $$block, 0, 1, '') & 2 ** $bits - 1, 0);
    return $n if $n < 2 ** $bits - 1 || $$block !~ s/\A([\x80-\xff]*[\0-\x7f])//;
    $n += (ord($_) & 127) << 7 * $shift++ for split //, $1;
    return $n;
}
sub text { my ($block) = @_;
    my $coded = ord($$block) & 128;
    my $s = substr $$block, 0, number($block, 7), '';
    return $coded ? join '', map { $huffman{$_} } unpack('B*', $s) =~ /\G($codes)/g : $s;
}
sub fields { my ($block) = @_;
    my @h;
    while (length $block) {
        my $first = ord $block;
        if ($first & 128) { push @h, ':status', $statuses[number(\$block, 7) - 8]; next }
        if (($first & 0xe0) == 0x20) { number(\$block, 5); next }
        my $name = $static{number(\$block, $first & 64 ? 6 : 4)} // text(\$block);
        push @h, $name, text(\$block);
    }
    return @h;
}
# http2(CONNECTION, method, path, body, name => value, ...) opens the connection
# where the variable has none; the status may be RST_STREAM and GOAWAY.
sub http2 { my (undef, $method, $path, $body, @h) = @_;
    unless ($_[0]) {
        $_[0] = { socket => connect_to($h2_port), stream => -1 };
        $_[0]{socket}->setsockopt(SOL_SOCKET, SO_RCVTIMEO, pack 'l!l!', 20, 0);
        syswrite $_[0]{socket}, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" . frame(4, 0, 0, pack 'nN', 4, 2 ** 31 - 1) . frame(8, 0, 0, pack 'N', 2 ** 30);
    }
    my ($socket, $stream) = ($_[0]{socket}, $_[0]{stream} += 2);
    unshift @h, ':method', $method, ':scheme', 'http', ':path', $path, ':authority', 'localhost';
    my @parts = unpack '(a16000)*', join '', map { ($_ % 2 ? '' : "\0") . string($h[$_]) } 0 .. $#h;
    my @frames = map { frame($_ ? 9 : 1, ($_ == $#parts ? 4 : 0) + ($_ || defined $body ? 0 : 1), $stream, $parts[$_]) } 0 .. $#parts;
    syswrite $socket, join '', @frames, defined $body ? frame(0, 1, $stream, $body) : ();

    my ($head, $payload, %r) = (undef, undef, status => 'none', body => '', headers => {});
    while ((read($socket, $head, 9) // 0) == 9) {
        my ($size, $type, $flags, $of) = unpack 'NCCN', "\0$head";
        last if (read($socket, $payload, $size) // 0) != $size;
        next if $of != $stream && $type != 7;
        $r{headers} = { fields($payload) } if $type == 1;
        $r{body} .= $payload if $type == 0;
        $r{status} = delete $r{headers}{':status'} // ($type == 3 ? 'RST_STREAM' : 'GOAWAY') if $type =~ /^[137]$/ && $r{status} eq 'none';
        last if $type == 7;
        return \%r if $type == 3 || $flags & 1 && $type < 2;
    }
    undef $_[0];
    return \%r;
}

# --- skus that HTTP/1.1, HTTP/2 and every format give back as they are

my @skus = ('a', 'a,b', ' ', ' a', 'a ', 'a b', '#', 'sku,qty', '"a",1', ',', '${host}', "=cmd|' /C calc'!A0", '"><img src=x onerror=alert(1)>',
    '%0d%0aX-Evil: 1', '>; rel="x"', "' OR 1=1 --", '"; DROP TABLE items; --', '"} 1', '"}],"qty":9,[{"',
    qw(" "" \ \" \u0000 \n ' </script><script>alert(1)</script> + +1 -1 @SUM(A1) { } {"sku":"x"} [] null 1 % %2F %00 %s%n & a&limit=1 ? ?limit=1 = ;),
    qw(< > / // //a a//b a/ . .. ... a..b ../../etc/passwd a/../b ~ * ` | ^ -- $host $1 sku),
    "\xe2\x80\xa8", "\xe2\x80\xa9", "\xef\xbb\xbf", "\xef\xbb\xbfa", "\xf0\x9f\x98\x80", "\xe2\x80\xaegpj", "\xc2\xad", "\xc2\xa0", "e\xcc\x81", "\xc3\xa9",
    "\xef\xbf\xbd", "\xef\xbf\xbf", "\xf4\x8f\xbf\xbf", "\xee\x80\x80", "\xed\x9f\xbf", "\xe2\x82\xac" x 85, "\xf0\x9f\x98\x80" x 63 . "\xc3\xa9a",
    map { $_ x 255 } qw(" \ / % < ,));
my %qty = map { $skus[$_] => $_ + 1 } 0 .. $#skus;
sub lines { join '', map { "$_ $qty{$_}\n" } sort @_ }
sub found { join '', map { my $sku = $_->{sku}; utf8::encode($sku); "$sku $_->{qty}\n" } ref $_[0] eq 'ARRAY' ? @{ $_[0] } : @_ }
database($db, rows => [map { [$_, $qty{$_}] } @skus]);
my $series = () = fetch('/metrics')->{body} =~ /^warehouse_nginx_(?!requests)/mg;

same_bytes(found(decoded(fetch('/items'))), lines(@skus), 'JSON');
my @ndjson = split /(?<=\n)/, fetch('/items', Accept => 'application/x-ndjson')->{body};
none_odd('each line of NDJSON ends', map { short($_) } grep { !/\}\n\z/ } @ndjson);
same_bytes(join('', map { found(decoded({ body => $_ })) } @ndjson), lines(@skus), 'NDJSON');
spew("$db.csv", fetch('/items', Accept => 'text/csv')->{body});
my $csv = `python3 -c 'import csv, sys
for row in csv.reader(open(sys.argv[1], encoding="utf-8", newline=""), strict=True): sys.stdout.buffer.write(" ".join(row).encode() + b"\\n")' $db.csv`;
same_bytes($csv, "sku qty\n" . lines(@skus), 'CSV');

my ($h2, @odd);
for my $sku (@skus) {
    my ($e, @begin) = (encoded($sku), grep { index($_, $sku) == 0 } @skus);
    for my $row (["/items?sku=$e", $sku], ["/items?limit=1000&prefix=$e", @begin], $sku =~ m{(?:^|/)\.\.?(?:/|$)} ? () : ["/items/$e", $sku]) {
        my ($path, @want) = @$row;
        for my $r (fetch($path), http2($h2, 'GET', $path)) {
            push @odd, "$r->{status} $r->{headers}{'content-type'} " . short($path) . ' of ' . short($sku)
                unless found(decoded($r)) eq lines(@want) && $r->{headers}{'content-type'} eq 'application/json';
        }
    }
}
none_odd('each is had by its address and its name, and is a prefix', @odd);

my $link = qr{^<(\?[\w.~%!\$&'()*+,;=:@/?-]*)>; rel="next"$};
for my $way (\&http1, sub { http2($h2, @_) }) {
    my ($query, $walked, $n) = ('?limit=1', '', 0);
    while ($query && $n++ <= @skus) {
        my $r = $way->('GET', "/items$query");
        $walked .= found(decoded($r));
        ($query) = ($r->{headers}{link} // '') =~ $link;
    }
    same_bytes($walked, lines(@skus), 'from page to page each once, in order');
}

# --- HTTP/2 gives what HTTP/1.1 gives

my $etag = fetch('/items')->{headers}{etag};
for (['GET', '/items'], ['HEAD', '/items'], ['GET', '/items/a'], ['HEAD', '/items/a'], ['GET', '/items/none'], ['GET', '/none'], ['GET', '/items?limit=3'],
     ['GET', '/items?sku=a,%22'], ['GET', '/items?x=1'], ['GET', '/items/%00'], ['PUT', '/items', ''], ['GET', '/items', undef, 'if-none-match', $etag],
     ['GET', '/items', undef, 'if-match', '"x"'], ['GET', '/items', undef, 'range', 'bytes=5-9'], ['GET', '/items', undef, 'range', 'bytes=999999-'],
     (map { ['GET', '/items', undef, 'accept', $_] } 'text/csv', 'application/x-ndjson', 'text/html'), ['GET', '/commands'],
     ['POST', '/commands', '{'], ['POST', '/commands', '{"action":"none"}'], ['POST', '/commands', ''],
     ['POST', '/commands', '{}', 'content-type', 'text/html'], ['POST', '/commands', '{}', 'idempotency-key', 'a b']) {
    my ($one, $two) = (http1(@$_), http2($h2, @$_));
    my $name = join ' ', map { short($_ // '') } @$_;
    delete @{ $_->{headers} }{qw(date connection)} for $one, $two;
    is_deeply [@$two{qw(status headers body)}], [@$one{qw(status headers body)}], "$name: over HTTP/2 as over HTTP/1.1";
    next if $one->{status} =~ /^[23]/;
    problem_ok($two->{body}, $one->{status}, '?', "$name: the document");
    is $two->{headers}{'content-type'}, 'application/problem+json', "$name: its type";
}

# --- values of header fields

my @controls = ((map { chr } grep { $_ != 10 } 0 .. 31, 127), "\x80", "\xff", "\xc0\x80", "\xed\xa0\x80");
my @values = ((map { ("a${_}b", "$_$_", qq("a${_}b"), "application/json${_}", "bytes=0-1$_,2", "$_*/*") } @controls),
    (map { "a${_}X-Evil: 1" } "\r", "\r\r", "\n", "\n ", "\r\n ", "\r\n\t", "\r\n \r\n "), "a\r\n\r\n", "\n", "\nX-Evil: 1",
    "a\n\nGET /items HTTP/1.1\nHost: evil\n", qw(" "\ \ %0d%0aX-Evil:1 </script> ${host} %s%s%n), 'a' x 100_000, map { $_ x 50_000 } '"', ',');
my @get = (['GET', '/items', undef], qr/^(?:200|206|304|400|406|412|416)$/);
my @post = (['POST', '/commands', '{"action":"none"}'], qr/^(?:400|415|422)$/);

for my $row ((map { [$_, @get] } qw(accept if-none-match if-match range if-range)), map { [$_, @post] } qw(idempotency-key content-type origin sec-fetch-site)) {
    my ($field, $request, $status) = @$row;
    my @odd;
    for my $value (@values) {
        my $socket = connect_to($port);
        syswrite $socket, request(@$request, $field, $value);
        my ($one, $two) = (or_none(response($socket)), http2($h2, @$request, $field, $value));
        push my @here, grep { $_->{status} !~ $status } $one, $two->{status} =~ /^(?:RST_STREAM|GOAWAY)$/ ? () : $two;
        push @here, grep { $_->{status} =~ /^4/ && !decoded($_) } $one, $two;
        push @here, $one if $one->{head} =~ /evil|[^\r\n -~]|\r(?!\n)|(?<!\r)\n/i;
        push @here, $two if grep { /evil|[^ -~]/i } %{ $two->{headers} };
        # nginx ends a line at a bare LF, and after any number of CRs
        push @here, grep { $_->{status} eq '422' } $value =~ /\n|\r\z/ ? () : $one, $two if $value =~ s/^[ \t]+|[ \t]+$//gr =~ /[^ -~]/;
        # nginx announces to keep the connection of a 412, and closes it
        if ($one->{head} =~ /^Connection: keep-alive/m && $one->{status} ne '412' && $value !~ /\n(?:\r?\n|\z)/) {
            syswrite $socket, get('/items/a');
            push @here, $one unless or_none(response($socket))->{body} =~ /"sku":"a"/;
        }
        push @here, $two unless http2($h2, 'GET', '/items/a')->{status} eq '200';
        push @odd, map { short($value) . ": $_->{status} " . short($_->{head} // 'HTTP/2') } @here;
    }
    none_odd("$field: whatever it holds", @odd);
}
is http1('POST', '/commands', '{"action":"none"}', 'Idempotency-Key', "a\nIdempotency-Key: b")->{status}, 400, 'two keys, parted by a line feed';

for my $name ('Accept', 'acc ept', "acc\0ept", "acc\r\nept", "accept\n", "x\nx-evil: 1", '', ':evil', 'accept:', "\xff") {
    my $r = http2(my $new, 'GET', '/items', undef, $name, 'text/csv');
    like "$r->{status} " . ($r->{headers}{'content-type'} // ''), qr{^(?:400 |RST_STREAM|GOAWAY|200 application/json$)}, 'a field named ' . short($name);
}
for my $path ("/items\r\nX-Evil: 1", "/items?limit=1&prefix=\r\nX-Evil: 1", "/items?limit=1&prefix=\0", "/items/\0", "/items/\x01", '/items/a b', '/items/"',
    '/items?"<>\\', '/items?limit=1&prefix=<', '/items?limit=1&after=>; rel="x"', '/items?limit=1&prefix="', "/items?limit=1&after=\xe2\x80\xa8", '', 'items', '*', '/items?#') {
    my $r = http2(my $new, 'GET', $path);
    like $r->{status}, qr/^(?:200|400|404|RST_STREAM|GOAWAY)$/, 'HTTP/2: the path ' . short($path);
    like $r->{headers}{link} // '<?>; rel="next"', $link, 'HTTP/2: its link ' . short($path);
}

# --- parameters that are none, some of them ten thousand times

sub refused { my ($name, $who, $r) = @_;
    is $r->{status}, 400, $name;
    problem_ok($r->{body}, 400, undef, "$name: the document");
    like +(decoded($r) // {})->{detail}, qr/\Q$who\E/, "$name: who is to blame";
    unlike $r->{head} // '', qr/evil/i, "$name: no field of it";
    cmp_ok length $r->{body}, '<', 1000, "$name: in short";
}
for (['sku=a&', 'sku'], ['a&', 'a'], ['limit=1&', 'limit'], ['after=a&', 'after'], ['prefix=%C3%A9&', 'prefix'], ['x=1&', 'x'], ['a=b=c&', 'a'], ['&', ''], ['=&', ''],
     ['sku=,', 'sku', ','], ['sku=a', 'sku', ',a'], ['sku=%2C', 'sku', '%2C'], ['sku=', 'sku', '%'], ['after=', 'after', '%C3'], ['prefix=', 'prefix', 'aa'],
     ['limit=', 'limit', '99'], ['xx', 'x', 'xx'], ['"', 'parameter', '""'], ["\xff", 'parameter', "\xff\xff"]) {
    my ($begin, $who, $more) = @$_;
    my $query = $begin . ($more // $begin) x 10_000;
    refused('?' . short($query), $who, $_) for fetch("/items?$query"), http2($h2, 'GET', "/items?$query");
    is fetch('/items/a')->{status}, 200, '?' . short($query) . ': the next answer';
}

my @no_skus = ('', qw(% %4 %C3%A %zz %% a% %u0041 %00 a%00b %0A %0D%0A %1F %7F %C2%80 %C2%9F %80 %FF %C0%80 %C0%AF %E0%80%AF %F0%80%80%AF %F0%82%82%AC %ED%A0%80
    %ED%BF%BF %ED%A0%BD%ED%B8%80 %F4%90%80%80 %F8%88%80%80%80 %E2%82), "\xc0\x80", "\xff", 'x' x 256, '%78' x 256, '%E2%82%AC' x 85 . 'a');
my @no_limits = ('', '1,', qw(0 1001 -1 -0 2147483648 4294967297 9223372036854775808 18446744073709551616 18446744073709551617 99999999999999999999 1e2 0x10
    %201 1%20 +1 1.0 1; 1%00 %00 %0A1 %D9%A1 NaN 1=1 1&limit=2 1&limit 1&limit=), "\xd9\xa1");
my @no_names = (qw(= =1 & &limit=1 limit=1& && limit=1&&sku=a ; % %00 %0d%0aX-Evil:1=1 limit%00=1 SKU=a sku[]=a %20sku=a " "} \ \"=1 \u0000 </script>
    "><img/src=x/onerror=alert(1)> ${host} %s%n {} __proto__), "\xff=1", "\xed\xa0\x80=1", "\xe2\x80\xa8");
refused("?limit=" . short($_), 'limit', fetch("/items?limit=$_")) for @no_limits;
refused('?' . short($_), 'parameter', fetch("/items?$_")) for @no_names;
for my $who (qw(sku prefix after)) { refused("?$who=" . short($_), $who, fetch("/items?$who=$_")) for @no_skus, "a&$who=b" }
refused('/items/' . short($_), '', fetch("/items/$_")) for @no_skus[1 .. $#no_skus], "\x01", 'x' x 200_000, '%2F' x 50_000;
is scalar(@{ decoded(fetch("/items?limit=$_->[0]")) // [] }), $_->[1], "limit=$_->[0]" for [1, 1], [2, 2], [999, scalar @skus], [1000, scalar @skus];
like fetch("/items?limit=$_")->{status}, qr/^(?:200|400)$/, 'limit=' . short($_) for '01', '0' x 200_000 . '1', '%31';
is fetch('/items?' . join '&', 'limit=1', map { "$_=" . 'x' x 255 } qw(prefix after))->{status}, 200, 'the longest prefix and place';

# --- what is left of all that

is join(' ', $nginx->workers), $worker, 'the worker is the same';
my $metrics = fetch('/metrics')->{body};
is scalar(() = $metrics =~ /^warehouse_nginx_(?!requests)/mg), $series, 'no more metrics than before';
none_odd('none of it in a label', grep { !/^#/ && !/^\w+(?:\{(?:\w+="[\w+.\/-]*",?)+\})? [\d.e+-]+$/ } split /\n/, $metrics);
my $log = $nginx->error_log;
# nginx itself writes what it refuses as it is
$log =~ s/client sent (?:header|invalid) .*? while reading client request headers//sg;
my @log = split /\n/, $log;
none_odd('no line of the log is made by a client', map { short($_) } grep { !m{^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[\w+\] \d+#\d+: } } @log);
none_odd('what the module writes there is plain text', map { short($_) } grep { /warehouse: (.*?), client: / && $1 =~ /[^ -~]/ } @log);
none_odd('no line of the access log either', map { short($_) } grep { !/^127\.0\.0\.1 - [ -~]*$/ } split /\n/, $nginx->access_log);
undef $h2;
$nginx->stop;
done_testing;
