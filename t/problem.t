# error_page, warehouse_problem, the shipped mapping of what nginx's core
# refuses by itself, and subrequests.

use Warehouse;
use WarehouseNginx;
use Test::Nginx::Socket 'no_plan';

topic('commands');
topic('mirrored');

my $good = '{"action":"increase","sku":"s-1","qty":1}';

# --- conf/nginx.conf as it is shipped, its paths moved

sub shipped {
    my ($self) = @_;
    my $conf = slurp("$ENV{WAREHOUSE_ROOT}/conf/nginx.conf");
    $conf =~ s{modules/\S+\.so}{$ENV{TEST_NGINX_WAREHOUSE_MODULE}};
    $conf =~ s{^user }{#user }m unless $> == 0;
    $conf =~ s{^pid [^;]+}{daemon off; pid $self->{dir}/nginx.pid}m;
    $conf =~ s{/var/log/nginx/}{$self->{dir}/logs/}g;
    $conf =~ s{/var/lib/warehouse/warehouse\.db}{$self->{dir}/none.db};
    $conf =~ s{listen 8000}{listen 127.0.0.1:$self->{port}};
    $conf =~ s{127\.0\.0\.1:9092}{$ENV{TEST_NGINX_KAFKA}};
    return $conf;
}

{
    no warnings 'redefine';
    local *WarehouseNginx::configure = sub {
        my ($self) = @_;
        spew("$self->{dir}/nginx.conf", shipped($self));
    };
    my $nginx = WarehouseNginx->new;
    my $port = $nginx->{port};

    my $r = exchange($port, post($good));
    is "$r->{status} $r->{body}", '200 {"status":"accepted"}', 'shipped: a command';

    for my $row (
        # name, request, status, Allow
        ['a bad request line', "GARBAGE\r\n\r\n", 400],
        ['no Host', "POST /commands HTTP/1.1\r\n\r\n", 400],
        ['two lengths',
         "POST /commands HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", 400],
        ['a length that is none', post('', 'Content-Length' => 'x'), 400],
        ['a header past the buffers', get('/items', X => 'x' x 40000), 400],
        ['another location', get('/nowhere'), 404],
        ['GET /commands', get('/commands'), 405, 'POST'],
        ['PUT /commands', post($good) =~ s/^POST/PUT/r, 405, 'POST'],
        ['POST /items', post($good, _path => '/items'), 405, 'GET, HEAD'],
        ['TRACE', get('/commands', _method => 'TRACE'), 405],
        ['17 kB', post('x' x 17000), 413],
        ['17 kB, chunked', post(sprintf("%x\r\n%s\r\n0\r\n\r\n", 17000, 'x' x 17000),
                                'Content-Length' => undef,
                                'Transfer-Encoding' => 'chunked'), 413],
        ['a long request line', get('/' . 'x' x 40000), 414],
        ['text/plain', post($good, 'Content-Type' => 'text/plain'), 415],
        ['Content-Encoding', post($good, 'Content-Encoding' => 'gzip'), 415],
        ['not JSON', post('x'), 400],
        ['a transfer encoding', post($good, 'Content-Length' => undef,
                                     'Transfer-Encoding' => 'gzip'), 501],
        ['no database', get('/items'), 503])
    {
        my ($name, $request, $status, $allow) = @$row;
        my $r = exchange($port, $request);
        is $r->{status}, $status, "shipped, $name: $status";
        is $r->{headers}{'content-type'}, 'application/problem+json',
           "shipped, $name: the type";
        problem_ok($r->{body}, $status, undef, "shipped, $name: the document");
        is $r->{headers}{allow}, $allow, "shipped, $name: Allow" if $allow;
        like $r->{headers}{'retry-after'}, qr/^[1-9]\d*$/, "shipped, $name: Retry-After"
            if $status == 503;
    }

    $r = exchange($port, post('{"action":"increase","sku":"s","qty":-5}'));
    is $r->{status}, 422, 'shipped: 422';
    problem_ok($r->{body}, 422, '#/qty', 'shipped: the pointer');
    is exchange($port, post($good))->{status}, 200, 'shipped: a command after all that';
    $nginx->stop('shipped');
}


# --- subrequests: refused, nothing written, the worker lives

{
    my $nginx = WarehouseNginx->new(server => <<'CONF');
location = /commands { warehouse_commands; }
location = /guarded { auth_request /commands; root html; }
location = /mirrored { mirror /commands; warehouse_commands mirrored; }
location = /page { ssi on; ssi_types text/plain; root html; error_page 405 =200 /page; }
location = /before { add_before_body /commands; root html; error_page 405 =200 /before; }
CONF
    mkdir "$nginx->{dir}/html";
    chmod 0755, "$nginx->{dir}/html";
    spew("$nginx->{dir}/html/page", 'page <!--#include virtual="/commands" --> end');
    spew("$nginx->{dir}/html/$_", $_) for 'before', 'guarded';

    my $port = $nginx->{port};
    my ($worker) = $nginx->workers;
    my $before = () = records('commands');
    my $mirrored = () = records('mirrored');

    for my $path ('/guarded', '/page', '/before') {
        for my $request (get($path), post($good, _path => $path)) {
            my $r = exchange($port, $request, timeout => 5);
            ok defined $r, substr($request, 0, 11) . ': a subrequest is answered';
            like $r->{status}, qr/^(?:403|500)$/, "$path: auth_request is not satisfied"
                if $path eq '/guarded' && $request =~ /^GET/;
        }
    }
    is exchange($port, post($good, _path => '/mirrored'))->{status}, 200,
       'a mirrored command itself is accepted';
    is exchange($port, post($good))->{status}, 200, 'and the next command';
    is scalar(() = records('commands')), $before + 1, 'subrequests wrote nothing';
    is scalar(() = records('mirrored')), $mirrored + 1,
       'the mirrored command is there once';
    is join(' ', $nginx->workers), $worker, 'the worker is the same';
    $nginx->stop('subrequests');
}

warehouse_blocks();
run_tests();

__DATA__

=== TEST 1: an error_page of the location acts on the bare status
--- config
location = /commands {
    warehouse_commands;
    error_page 422 = /own;
    error_page 415 =418 /own;
}
location = /own { return 200 "own"; }
--- request eval
[("POST /commands\n{\"action\":\"increase\",\"sku\":\"s\",\"qty\":0}") x 2]
--- more_headers eval
['', "Content-Type: text/plain\n"]
--- error_code eval
[200, 418]
--- response_body eval
['own', 'own']



=== TEST 2: an error_page of the server is inherited
--- config
error_page 400 = @bad;
location = /commands { warehouse_commands; }
location @bad { add_header X-Bad yes always; return 409 "bad"; }
--- request
POST /commands
x
--- error_code: 409
--- response_headers
X-Bad: yes
--- response_body chomp
bad



=== TEST 3: an error_page for another status changes nothing
--- config
location = /commands { warehouse_commands; error_page 400 404 /own; }
location = /own { return 200 "own"; }
--- request
POST /commands
{"action":"increase","sku":"s","qty":0}
--- problem
422 #/qty



=== TEST 4: nginx's own page where error_page names nothing else
--- config
error_page 404 /own;
location = /commands { warehouse_commands; error_page 422 /static; }
location = /static { return 200 "static"; }
--- request
POST /commands
{"action":"increase","sku":"s","qty":0}
--- error_code: 422
--- response_body chomp
static



=== TEST 5: detail and pointer survive error_page and warehouse_problem
--- config
location = /commands { warehouse_commands; error_page 400 422 /problem; }
location = /problem { internal; warehouse_problem; }
--- request
POST /commands
{"action":"increase","sku":"s","qty":"3"}
--- problem
422 #/qty



=== TEST 6: also through a named location
--- config
location = /commands { warehouse_commands; error_page 400 422 @problem; }
location @problem { warehouse_problem; }
--- request
POST /commands
{"action":"increase","sku":"","qty":3}
--- problem
422 #/sku



=== TEST 7: Allow survives error_page and warehouse_problem
--- config
error_page 405 /problem;
location = /commands { warehouse_commands; }
location = /items { warehouse_items $TEST_NGINX_DB; }
location = /problem { internal; warehouse_problem; }
--- request eval
["GET /commands", "DELETE /items"]
--- problem
405
--- response_headers eval
["Allow: POST\n", "Allow: GET, HEAD\n"]



=== TEST 8: Retry-After survives error_page and warehouse_problem
--- http_config
warehouse_kafka bootstrap.servers 127.0.0.1:9;
warehouse_kafka message.timeout.ms 1000;
--- config
error_page 503 504 /problem;
location = /commands { warehouse_commands; }
location = /problem { internal; warehouse_problem; }
--- request
POST /commands
{"action":"increase","sku":"s","qty":3}
--- problem
503
--- raw_response_headers_like chomp
\r\nRetry-After: [1-9]\d*\r\n



=== TEST 9: errors of other modules in the same form
--- config
error_page 403 404 502 /problem;
location = /forbidden { deny all; }
location = /gone { return 404; }
location = /away { proxy_pass http://127.0.0.1:9; }
location = /problem { internal; warehouse_problem; }
--- request eval
["GET /forbidden", "GET /gone", "GET /away"]
--- problem eval
[403, 404, 502]



=== TEST 10: warehouse_problem asked for directly, no error at hand
--- config
location = /problem { warehouse_problem; }
--- request
GET /problem
--- error_code_like: ^[45]\d\d$



=== TEST 11: error_page to a URI that is a command's location
--- config
location = /x { return 404; error_page 404 /commands; }
location = /commands { warehouse_commands; }
--- request
GET /x
--- error_code: 404



=== TEST 12: HEAD of a problem page
--- config
error_page 404 /problem;
location = /gone { return 404; }
location = /problem { internal; warehouse_problem; }
--- request
HEAD /gone
--- error_code: 404
--- response_headers
Content-Type: application/problem+json
--- response_body
