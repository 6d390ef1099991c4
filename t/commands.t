# Accepted commands: the reply to the byte, and the record in Kafka.

use Warehouse;
use WarehouseNginx;
use Test::Nginx::Socket 'no_plan';

topic('commands');
topic('commands.four');
my $four = topic("commands.$$", partitions => 4);

# --- bodies that a block cannot hold to the byte, through one nginx

my $nginx = WarehouseNginx->new(documented => 1,
    http => 'log_format position "$request_method $status [$warehouse_position]";',
    server => <<"CONF");
location = /commands { warehouse_commands; }
location = /four {
    warehouse_commands $four;
    access_log logs/four.log position;
}
CONF

my @accepted = (
    # name, body, key
    ['white space around and inside',
     " \t\r\n{ \"action\" :\t\"increase\",\r\n\"sku\": \"ws-1\" , \"qty\": 1 }\n\n",
     'ws-1'],
    ['members in another order', '{"qty":1,"sku":"order-1","action":"decrease"}',
     'order-1'],
    ['extra fields of every kind',
     '{"a":null,"action":"increase","b":[1,{"c":[]}],"sku":"x-1","d":-0.5e-7,'
     . '"qty":1,"Qty":"x","e":true,"":""}', 'x-1'],
    ['an escaped name', '{"\u0061ction":"increase","sku":"esc-1","q\u0074y":1}',
     'esc-1'],
    ['an escaped action', '{"action":"\u0069ncrease","sku":"esc-2","qty":1}',
     'esc-2'],
    ['a sku with escapes', '{"action":"increase","sku":"\"\\\\\/\u0041\u20ac","qty":1}',
     "\"\\/A\xe2\x82\xac"],
    ['a sku with a surrogate pair',
     '{"action":"increase","sku":"\ud83d\ude00","qty":1}', "\xf0\x9f\x98\x80"],
    ['a sku of UTF-8', "{\"action\":\"increase\",\"sku\":\"\xc3\xa9\xf0\x9f\x98\x80\",\"qty\":1}",
     "\xc3\xa9\xf0\x9f\x98\x80"],
    ['the last code point', '{"action":"increase","sku":"\udbff\udfff","qty":1}',
     "\xf4\x8f\xbf\xbf"],
    ['a sku of one blank', '{"action":"increase","sku":" ","qty":1}', ' '],
    ['a sku of 255 bytes', '{"action":"increase","sku":"' . 'k' x 255 . '","qty":1}',
     'k' x 255],
    ['a sku of 255 bytes, not characters',
     '{"action":"increase","sku":"k' . "\xc3\xa9" x 127 . '","qty":1}',
     'k' . "\xc3\xa9" x 127],
    ['the neighbours of the control characters',
     '{"action":"increase","sku":"\u0020\u007e\u00a0","qty":1}', " ~\xc2\xa0"],
    ['the same name in a nested object',
     '{"action":"increase","sku":"n-1","qty":1,"x":{"a":1,"a":2,"qty":0}}', 'n-1'],
    ['NUL escaped in an extra field is no NUL byte',
     '{"action":"increase","sku":"n-2","qty":1,"x":"\\\\u0000"}', 'n-2'],
    (map { ["the quantity $_", qq({"action":"increase","sku":"q-1","qty":$_}), 'q-1'] }
     qw(1 10.0 1e1 1E+1 10e-1 100000e-4 9007199254740991 9.007199254740991e15
        9007199254740991.0 0.1e1)),
    (map { my ($open, $close, $n) = @$_;
           ["$n levels of $open",
            '{"action":"increase","sku":"d-1","qty":1,"x":' . $open x $n . $close x $n . '}',
            'd-1'] } ['[', ']', 63], ['[', ']', 1]),
);

for my $row (@accepted) {
    my ($name, $body, $key) = @$row;
    my $r = exchange($nginx->{port}, post($body));
    is $r->{status}, 200, "$name: 200" or diag $r->{body};
    is $r->{body}, '{"status":"accepted"}', "$name: the body";
    my $record = last_record('commands');
    is "$record->{partition}:$record->{offset}",
       $r->{headers}{'warehouse-position'}, "$name: the position";
    same_bytes($record->{key}, $key, "$name: the key");
    same_bytes($record->{value}, $body, "$name: the value as received");
}

# Java's partitioner: the vectors of Kafka's own UtilsTest.testMurmur2
for my $row (['21', -973932308], ['foobar', -790332482],
             ['a-little-bit-long-string', -985981536],
             ['a-little-bit-longer-string', -1486304829],
             ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
             ['abc', 479470107])
{
    my ($sku, $hash) = @$row;
    my $r = exchange($nginx->{port},
                     post(qq({"action":"increase","sku":"$sku","qty":1}),
                          _path => '/four'));
    my ($partition) = ($r->{headers}{'warehouse-position'} // '') =~ /^(\d):\d+$/;
    is $partition, ($hash & 0x7fffffff) % 4, "the partition of $sku is Java's";
}

exchange($nginx->{port}, post('{}', _path => '/four'));
$nginx->stop;

{
    my @lines = split /\n/, slurp("$nginx->{dir}/logs/four.log");
    my %logged = map { $_ => 1 } map { /^POST 200 \[(\d+:\d+)\]$/ ? $1 : () } @lines;
    my @records = records($four);
    is scalar(keys %logged), 6, '$warehouse_position: one a command';
    is join(' ', sort keys %logged),
       join(' ', sort map { "$_->{partition}:$_->{offset}" } @records),
       '$warehouse_position: those of the records';
    is $lines[-1], 'POST 422 [-]', '$warehouse_position: nothing was written';
}

warehouse_blocks();
run_tests();

__DATA__

=== TEST 1: an increase
--- config
location = /commands { warehouse_commands; }
--- request
POST /commands
{"action":"increase","sku":"SKU123","qty":10}
--- more_headers
Content-Type: application/json
--- accepted
--- record
SKU123 {"action":"increase","sku":"SKU123","qty":10}



=== TEST 2: a decrease, the topic named
--- config
location = /commands { warehouse_commands commands; }
--- request
POST /commands
{"action":"decrease","sku":"SKU123","qty":4}
--- more_headers
Content-Type: application/json
--- accepted
--- record
SKU123 {"action":"decrease","sku":"SKU123","qty":4}



=== TEST 3: no header more than the contract has
--- config
location = /commands { warehouse_commands; }
--- request
POST /commands
{"action":"increase","sku":"SKU123","qty":10}
--- accepted
--- raw_response_headers_unlike chomp
(?i)\r\n(allow|retry-after|last-modified|etag|accept-ranges|transfer-encoding):



=== TEST 4: the length of the body is told
--- config
location = /commands { warehouse_commands; }
--- request
POST /commands
{"action":"increase","sku":"SKU123","qty":10}
--- response_headers
Content-Length: 21
Content-Type: application/json
--- response_body chomp
{"status":"accepted"}



=== TEST 5: content types that are accepted, and a query
--- config
location = /commands { warehouse_commands; }
--- request eval
[("POST /commands?a=b\n{\"action\":\"increase\",\"sku\":\"ct\",\"qty\":1}") x 8]
--- more_headers eval
['', map { "Content-Type: $_\n" } 'application/json', 'application/json; charset=utf-8',
 'application/json;charset=UTF-8', 'Application/JSON', 'application/json ; x="a;b"',
 'application/json;', 'application/json; profile=a; charset=iso-8859-1']
--- accepted
--- error_code eval
[(200) x 8]
--- record
ct {"action":"increase","sku":"ct","qty":1}



=== TEST 6: conditions do not turn a written command into a 304 or 412
--- config
location = /commands { warehouse_commands; }
--- request eval
[("POST /commands\n{\"action\":\"increase\",\"sku\":\"cond\",\"qty\":1}") x 7]
--- more_headers eval
['If-None-Match: *', 'If-None-Match: "x"', 'If-Match: "x"', 'If-Match: *',
 'If-Unmodified-Since: Thu, 01 Jan 1970 00:00:01 GMT',
 'If-Modified-Since: Fri, 31 Dec 2100 23:59:59 GMT', 'Range: bytes=0-3']
--- accepted
--- error_code eval
[(200) x 7]
--- record
cond {"action":"increase","sku":"cond","qty":1}



=== TEST 7: Expect: 100-continue
--- config
location = /commands { warehouse_commands; }
--- raw_request eval
"POST /commands HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nExpect: 100-continue\r\n"
. "Content-Length: 45\r\n\r\n{\"action\":\"increase\",\"sku\":\"expect\",\"qty\":10}"
--- ignore_response
--- access_log eval
qr/"POST \/commands HTTP\/1\.1" 200 /



=== TEST 8: HTTP/1.0
--- config
location = /commands { warehouse_commands; }
--- request
POST /commands HTTP/1.0
{"action":"increase","sku":"http-1.0","qty":10}
--- accepted
--- record
http-1.0 {"action":"increase","sku":"http-1.0","qty":10}



=== TEST 9: a location that is not exact
--- config
location /api/ { warehouse_commands; }
--- request
POST /api/v1/commands
{"action":"increase","sku":"prefix","qty":10}
--- accepted
--- record
prefix {"action":"increase","sku":"prefix","qty":10}



=== TEST 10: two locations with topics of their own
--- config
location = /a { warehouse_commands commands; }
location = /b { warehouse_commands commands.four; }
--- request eval
["POST /b\n{\"action\":\"increase\",\"sku\":\"two\",\"qty\":1}",
 "POST /a\n{\"action\":\"increase\",\"sku\":\"two\",\"qty\":2}"]
--- accepted
--- error_code eval
[200, 200]



=== TEST 11: properties are handed on: compressed, lingering
--- http_config
warehouse_kafka bootstrap.servers $TEST_NGINX_KAFKA;
warehouse_kafka compression.type lz4;
warehouse_kafka linger.ms 50;
--- config
location = /commands { warehouse_commands; }
--- request
POST /commands
{"action":"increase","sku":"lz4","qty":10}
--- accepted
--- record
lz4 {"action":"increase","sku":"lz4","qty":10}
