# Every row of the error table, bodies included, and error_page.

use Warehouse;
use WarehouseNginx;
use Test::Nginx::Socket 'no_plan';

use JSON::PP ();

topic('commands');

my $nginx = WarehouseNginx->new(
    server => <<'CONF');
client_max_body_size 300k;
location = /commands { warehouse_commands; }
location = /through {
    warehouse_commands;
    error_page 400 405 413 415 422 /problem;
}
location = /problem { internal; warehouse_problem; }
CONF

sub command {
    my %f = (action => '"increase"', sku => '"s-1"', qty => 1, @_);
    return '{' . join(',', map { defined $f{$_} ? qq("$_":$f{$_}) : () }
                      sort keys %f) . '}';
}

sub detail { (eval { JSON::PP->new->utf8->decode($_[0]) } // {})->{detail} }

my $bom = "\xef\xbb\xbf";
my $good = command();

my @not_json = (
    ['no body', ''],
    ['white space alone', " \r\n\t"],
    ['a BOM', "$bom$good"],
    ['a BOM of UTF-16', "\xff\xfe" . $good],
    ['UTF-16 without a BOM', join '', map { "\0$_" } split //, $good],
    ['two documents', "$good$good"],
    ['a trailing byte', "${good}x"],
    ['a trailing comma outside', "$good,"],
    ['a trailing NUL', "$good\0"],
    ['a trailing BOM', "$good$bom"],
    ['a NUL before', "\0$good"],
    ['a NUL inside a string', command(sku => qq("a\0b"))],
    ['an escaped NUL in the sku', command(sku => '"a\u0000b"')],
    ['an escaped NUL in an extra field', command(x => '"\u0000"')],
    ['an escaped NUL in a name', '{"a\u0000":1,' . substr $good, 1],
    ['cut off', substr $good, 0, -1],
    ['form data', 'action=increase&sku=s-1&qty=1'],
    ['a comment', "/* x */$good"],
    ['single quotes', "{'action':'increase','sku':'s','qty':1}"],
    ['a name without quotes', '{action:"increase","sku":"s","qty":1}'],
    ['a trailing comma', '{"action":"increase","sku":"s","qty":1,}'],
    ['a leading comma', '{,"action":"increase","sku":"s","qty":1}'],
    ['two commas', '{"action":"increase",,"sku":"s","qty":1}'],
    ['a missing colon', '{"action" "increase","sku":"s","qty":1}'],
    ['a semicolon', '{"action":"increase";"sku":"s","qty":1}'],
    ['a form feed between', "\f$good"],
    ['a no-break space between', "\xc2\xa0$good"],
    (map { ["the number $_", command(qty => $_)] }
     qw(01 00 -01 +1 1. .5 1.e1 1e 1e+ 1e1.5 - -a 0x10 1_000 Infinity NaN -Infinity)),
    ['a comma in a number', command(qty => '1,5')],
    (map { ["the literal $_", command(x => $_)] }
     qw(True nul nulll TRUE undefined tru)),
    ['a raw newline in a string', command(sku => qq("a\nb"))],
    ['a raw tab in a string', command(sku => qq("a\tb"))],
    ['a raw U+001F in an extra field', command(x => qq("\x1f"))],
    (map { ["the escape $_", command(sku => qq("$_"))] }
     '\x41', '\u12', '\u12G4', "\\'", '\u', '\U0041', '\0', '\u+123', '\u 123'),
    ['an open string', '{"action":"increase","sku":"s'],
    ['a string that ends in a backslash', '{"action":"increase","sku":"s\\'],
    (map { ["the lone surrogate $_", command(sku => qq("$_"))] }
     '\ud800', '\udfff', '\udc00\ud800', '\ud800x', '\ud800\u0041', '\ud83d\ud83d\ude00'),
    ['a lone surrogate in an extra field', command(x => '"\udbff"')],
    ['a lone surrogate in a name', '{"\udc01":1,' . substr $good, 1],
    (map { ["the bytes " . unpack('H*', $_), command(sku => qq("$_"))] }
     "\x80", "\xbf", "\xff", "\xfe", "\xc0\x80", "\xc1\xbf", "\xc3", "\xc3(",
     "\xe0\x80\x80", "\xe0\x9f\xbf", "\xe2\x82", "\xed\xa0\x80", "\xed\xbf\xbf",
     "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
     "\xf0\x9f\x98", "\xf8\x88\x80\x80\x80", "\xe9"),
    ['bad UTF-8 in an extra field', command(x => qq("\xff"))],
    ['bad UTF-8 in a name', qq({"\xff":1,) . substr $good, 1],
    ['a duplicate key', '{"action":"increase","sku":"s","qty":1,"qty":1}'],
    ['a duplicate key, escaped', '{"action":"increase","sku":"s","qty":1,"\u0071ty":1}'],
    ['a duplicate key of an extra field', command() =~ s/}$/,"x":1,"x":2}/r],
    ['a duplicate empty key', command() =~ s/}$/,"":1,"":2}/r],
    ['a duplicate key by surrogates', command() =~ s/}$/,"\\ud83d\\ude00":1,"\xf0\x9f\x98\x80":2}/r],
    ['65 levels', command(x => '[' x 64 . ']' x 64)],
    ['65 levels of objects', command(x => '{"a":' x 64 . '1' . '}' x 64)],
    ['65 levels outside a command', '[' x 65 . ']' x 65],
    ['100,000 levels', '[' x 100000 . ']' x 100000],
    ['100,000 levels, open', '[' x 100000],
    ['mismatched brackets', command(x => '[1}')],
);

my @not_commands = (
    # name, body, pointer
    (map { ["the document $_", $_, undef] } '[]', '1', '"x"', 'null', 'true',
     "[$good]", '[' x 64 . ']' x 64),
    ['an empty object', '{}', '?'],
    ['no action', command(action => undef), '?'],
    ['no sku', command(sku => undef), '?'],
    ['no quantity', command(qty => undef), '?'],
    ['names in upper case', '{"ACTION":"increase","SKU":"s","QTY":1}', '?'],
    (map { ["the action $_", command(action => $_), '#/action'] }
     '"Increase"', '""', '"increase "', '"delete"', '1', 'null', '["increase"]', '{}',
     '"incr"', '"increases"', '"INCREASE"'),
    (map { ["the sku $_", command(sku => $_), '#/sku'] }
     '""', '1', 'null', 'true', '["s"]', '{}', '"\u0001"', '"\t"', '"a\nb"', '"\u001f"',
     '"\u007f"', qq("\x7f"), '"\u0080"', '"\u009f"', qq("\xc2\x80"), qq("\xc2\x9f")),
    ['a sku of 256 bytes', command(sku => '"' . 'k' x 256 . '"'), '#/sku'],
    ['a sku of 256 bytes in 128 characters', command(sku => '"' . "\xc3\xa9" x 128 . '"'),
     '#/sku'],
    ['a sku of 256 bytes by escapes', command(sku => '"' . '\u00e9' x 128 . '"'), '#/sku'],
    (map { ["the quantity $_", command(qty => $_), '#/qty'] }
     qw(0 -0 0.0 -1 -5 1.5 0.5 1e-1 9007199254740992 9007199254740993 1e16 1e400 -1e400
        1e-400 9.1e15 18446744073709551616 18446744073709551617 "3" true null [] {} [1]
        1.0000000001), '1' . '0' x 400, '9' x 4000),
);

sub log_is_clean {
    my ($name) = @_;
    is crashes($nginx->error_log), '', "$name: nothing bad in the log";
}

for my $set ([400, \@not_json], [422, \@not_commands]) {
    my ($status, $rows) = @$set;
    my $direct = connect_to($nginx->{port});

    for my $row (@$rows) {
        my ($name, $body, $pointer) = @$row;

        # one connection for all: each error leaves it usable
        syswrite $direct, post($body);
        my $r = response($direct);
        is $r->{status}, $status, "$name: $status" or diag $r->{body};
        is $r->{headers}{'content-type'}, 'application/problem+json',
           "$name: the type";
        problem_ok($r->{body}, $status, $pointer, "$name: the document");

        my $through = exchange($nginx->{port}, post($body, _path => '/through'));
        is $through->{status}, $status, "$name: $status by error_page";
        same_bytes($through->{body}, $r->{body}, "$name: the same by error_page");
        $direct = connect_to($nginx->{port}) unless $r;
    }
    log_is_clean("the rows of $status");
}

{
    my $before = () = records('commands');
    is exchange($nginx->{port}, post($good))->{status}, 200, 'the base of the rows is good';
    is scalar(() = records('commands')), $before + 1, 'nothing that was refused is in Kafka';
}


# --- 405 and 415 through error_page, and what differs between the rows

for my $path ('/commands', '/through') {
    my $r = exchange($nginx->{port}, get($path));
    is "$r->{status} $r->{headers}{allow}", '405 POST', "GET $path: 405 and Allow";
    problem_ok($r->{body}, 405, undef, "GET $path: the document");

    $r = exchange($nginx->{port}, get($path, _method => 'HEAD'), head => 1);
    is "$r->{status} $r->{headers}{allow}", '405 POST', "HEAD $path: 405 and Allow";

    $r = exchange($nginx->{port}, post($good, _path => $path,
                                       'Content-Type' => 'text/plain'));
    is $r->{status}, 415, "$path, text/plain: 415";
    problem_ok($r->{body}, 415, undef, "$path, text/plain: the document");
    log_is_clean("$path, 405 and 415");
}

{
    my %detail = map { $_ => detail(exchange($nginx->{port}, post($_))->{body}) }
                 '', "$bom$good", "$good$good", '{"a":1,"a":2}', qq({"a":"\xff"});
    my %different = map { ($_ // '') => 1 } values %detail;
    is scalar(keys %different), 5, 'the details of unlike errors differ';
}


# --- what pages of other sites can have a browser send: 415

{
    my $before = () = records('commands');
    my @browser = (
        ['Origin of another site', Origin => 'https://evil.example'],
        ['Origin of this one', Origin => 'http://localhost'],
        ['Origin null', Origin => 'null'],
        ['an empty Origin', Origin => ''],
        (map { ["Sec-Fetch-Site $_", 'Sec-Fetch-Site' => $_] }
         qw(cross-site same-site same-origin none)),
        ['names in lower case', origin => 'https://evil.example', 'sec-fetch-site' => 'cross-site'],
    );
    my $socket = connect_to($nginx->{port});
    for my $row (@browser) {
        my ($name, %fields) = @$row;
        for my $path ('/commands', '/through') {
            syswrite $socket, post($good, _path => $path, 'Content-Type' => undef, %fields);
            my $r = response($socket);
            is $r ? $r->{status} : 'no answer', 415, "no Content-Type, $name, $path: 415";
            problem_ok($r && $r->{body}, 415, undef, "no Content-Type, $name, $path: the document");
            $socket = connect_to($nginx->{port}) unless $r;
        }
    }
    is scalar(() = records('commands')), $before, 'no Content-Type, from a browser: nothing is in Kafka';

    my $body = exchange($nginx->{port}, post($good, 'Content-Type' => undef, Origin => 'null'))->{body};
    like detail($body) // '', qr/Content-Type/, 'no Content-Type, from a browser: the detail names it';

    for my $row (@browser) {
        my ($name, %fields) = @$row;
        is exchange($nginx->{port}, post($good, %fields))->{status}, 200, "application/json, $name: 200";
        is exchange($nginx->{port}, post($good, %fields, 'Content-Type' => 'text/plain'))->{status}, 415,
           "text/plain, $name: 415";
    }
    is exchange($nginx->{port}, post($good, 'Content-Type' => undef))->{status}, 200,
       'no Content-Type, no browser: 200';
    is exchange($nginx->{port}, post($good, 'Content-Type' => undef, Referer => 'https://evil.example/',
                                     'X-Origin' => 'x', 'Sec-Fetch-Mode' => 'cors'))->{status}, 200,
       'no Content-Type, other fields: 200';
    is scalar(() = records('commands')), $before + @browser + 2, 'those of 200 are in Kafka';

    # a preflight gets no leave
    my $r = exchange($nginx->{port}, get('/commands', _method => 'OPTIONS', Origin => 'https://evil.example',
                                         'Access-Control-Request-Method' => 'POST',
                                         'Access-Control-Request-Headers' => 'content-type'));
    is $r->{status}, 405, 'a preflight: 405';
    unlike $r->{head}, qr/Access-Control/i, 'a preflight: no leave is given';
    log_is_clean('from a browser');
}


$nginx->stop;

warehouse_blocks();
run_tests();

__DATA__

=== TEST 1: 400: no body, with and without a length
--- config
location = /commands { warehouse_commands; }
--- request eval
["POST /commands", "POST /commands"]
--- more_headers eval
["", "Content-Length: 0"]
--- problem
400



=== TEST 2: 400: not JSON, a duplicate key, trailing bytes, not UTF-8, U+0000
--- config
location = /commands { warehouse_commands; }
--- request eval
[map { "POST /commands\n$_" }
 'hello', '{"action":"increase","sku":"s","qty":01}',
 '{"action":"increase","sku":"s","qty":1,"qty":2}',
 '{"action":"increase","sku":"s","qty":1} x',
 qq({"action":"increase","sku":"\xff","qty":1}),
 '{"action":"increase","sku":"\u0000","qty":1}',
 qq(\xef\xbb\xbf{"action":"increase","sku":"s","qty":1}),
 '{"action":"increase","sku":"\ud800","qty":1}']
--- problem
400



=== TEST 3: 405 and Allow for every other method
--- config
location = /commands { warehouse_commands; }
--- request eval
[map { "$_ /commands" } qw(GET PUT DELETE OPTIONS PATCH PROPFIND)]
--- problem
405
--- response_headers
Allow: POST



=== TEST 4: 405 for methods with a body
--- config
location = /commands { warehouse_commands; }
--- request eval
[map { "$_ /commands\n{\"action\":\"increase\",\"sku\":\"s\",\"qty\":1}" } qw(PUT PATCH GET)]
--- problem
405
--- response_headers
Allow: POST



=== TEST 5: 405: HEAD has the headers alone
--- config
location = /commands { warehouse_commands; }
--- request
HEAD /commands
--- error_code: 405
--- response_headers
Allow: POST
Content-Type: application/problem+json
--- response_body



=== TEST 6: 413: over message.max.bytes of librdkafka
--- http_config
warehouse_kafka bootstrap.servers $TEST_NGINX_KAFKA;
warehouse_kafka message.max.bytes 1000;
--- config
location = /commands { warehouse_commands; }
--- request eval
"POST /commands\n" . '{"action":"increase","sku":"s","qty":1,"x":"' . 'x' x 1000 . '"}'
--- problem
413



=== TEST 7: 413: over client_max_body_size, with an error_page
--- config
location = /commands {
    client_max_body_size 100;
    warehouse_commands;
    error_page 413 /problem;
}
location = /problem { internal; warehouse_problem; }
--- request eval
"POST /commands\n" . '{"action":"increase","sku":"s","qty":1,"x":"' . 'x' x 100 . '"}'
--- problem
413



=== TEST 8: 415: other types
--- config
location = /commands { warehouse_commands; }
--- request eval
[("POST /commands\n{\"action\":\"increase\",\"sku\":\"s\",\"qty\":1}") x 9]
--- more_headers eval
[map { "Content-Type: $_\n" } 'text/plain', 'text/json', 'application/jsonx',
 'application/json+x', 'application/json-patch+json', 'application',
 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=application/json',
 'application/problem+json']
--- problem
415



=== TEST 9: 415: any Content-Encoding
--- config
location = /commands { warehouse_commands; }
--- request eval
[("POST /commands\n{\"action\":\"increase\",\"sku\":\"s\",\"qty\":1}") x 4]
--- more_headers eval
[map { "Content-Type: application/json\nContent-Encoding: $_\n" } qw(gzip br deflate x)]
--- problem
415



=== TEST 10: 422 with the pointer to the field
--- config
location = /commands { warehouse_commands; }
--- request eval
[map { "POST /commands\n$_" }
 '{"action":"remove","sku":"s","qty":1}', '{"action":1,"sku":"s","qty":1}',
 '{"action":"increase","sku":"","qty":1}', '{"action":"increase","sku":7,"qty":1}',
 '{"action":"increase","sku":"s","qty":-5}', '{"action":"increase","sku":"s","qty":"3"}',
 '{"action":"increase","sku":"s","qty":1.5}', '{"action":"increase","sku":"s","qty":0}',
 '{"action":"increase","sku":"s","qty":true}', '{"action":"increase","sku":"s","qty":1e400}',
 '[]']
--- problem eval
['422 #/action', '422 #/action', '422 #/sku', '422 #/sku', ('422 #/qty') x 6, '422']



=== TEST 11: 503 and Retry-After without a broker
--- http_config
warehouse_kafka bootstrap.servers 127.0.0.1:9;
warehouse_kafka message.timeout.ms 1000;
--- config
location = /commands { warehouse_commands; }
--- request
POST /commands
{"action":"increase","sku":"s","qty":1}
--- problem
503
--- raw_response_headers_like chomp
\r\nRetry-After: [1-9]\d*\r\n



=== TEST 12: 503 for a topic that is not there
--- http_config
warehouse_kafka bootstrap.servers $TEST_NGINX_KAFKA;
warehouse_kafka message.timeout.ms 1500;
--- config
location = /commands { warehouse_commands no.such.topic; }
--- request
POST /commands
{"action":"increase","sku":"s","qty":1}
--- problem
503
--- raw_response_headers_like chomp
\r\nRetry-After: [1-9]\d*\r\n
