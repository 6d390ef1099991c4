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
        ['a header past the buffers', get('/items', X => 'x' x 140000), 400],
        ['another location', get('/nowhere'), 404],
        ['GET /commands', get('/commands'), 405, 'POST'],
        ['PUT /commands', post($good) =~ s/^POST/PUT/r, 405, 'POST'],
        ['POST /items', post($good, _path => '/items'), 405, 'GET, HEAD'],
        ['TRACE', get('/commands', _method => 'TRACE'), 405],
        ['17 kB', post('x' x 17000), 413],
        ['17 kB, chunked', post(sprintf("%x\r\n%s\r\n0\r\n\r\n", 17000, 'x' x 17000),
                                'Content-Length' => undef,
                                'Transfer-Encoding' => 'chunked'), 413],
        ['a long request line', get('/' . 'x' x 140000), 414],
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


# --- Allow and Retry-After: of the refusal, once, and not of what replaces it

{
    my $stock = database("$ENV{WAREHOUSE_TEST_DIR}/problem-$$.db", rows => [['a', 1]]);
    my $none = "$ENV{WAREHOUSE_TEST_DIR}/none-$$.db";
    my $nginx = WarehouseNginx->new(
        kafka => "warehouse_kafka bootstrap.servers 127.0.0.1:9; warehouse_kafka message.timeout.ms 1000;",
        server => <<"CONF");
location = /fallback { return 200 "static"; }
location \@fallback { return 200 "static"; }
location = /problem { internal; warehouse_problem; }
location \@problem { warehouse_problem; }
location = /stock { warehouse_items $stock; }

location /plain/commands { warehouse_commands; }
location /plain/items { warehouse_items $none; }
location /replaced/commands { warehouse_commands; error_page 405 503 =200 /fallback; }
location /replaced/items { warehouse_items $none; error_page 405 503 =200 /fallback; }
location /named/commands { warehouse_commands; error_page 405 503 =200 \@fallback; }
location /named/items { warehouse_items $none; error_page 405 503 =200 \@fallback; }
location /own/commands { warehouse_commands; error_page 405 503 = /fallback; }
location /own/items { warehouse_items $none; error_page 405 503 = /fallback; }
location /away/commands { warehouse_commands; error_page 405 503 https://localhost/; }
location /away/items { warehouse_items $none; error_page 405 503 https://localhost/; }
location /page/commands { warehouse_commands; error_page 405 503 /problem; }
location /page/items { warehouse_items $none; error_page 405 503 /problem; }
location /named-page/commands { warehouse_commands; error_page 405 503 \@problem; }
location /named-page/items { warehouse_items $none; error_page 405 503 \@problem; }
location /copy/items { warehouse_items $none; error_page 503 =200 /stock; }
location /next/items { warehouse_items $none; error_page 405 = /plain/commands; }
location /twice/items { warehouse_items $none; error_page 503 = /page/items; }
CONF
    my $port = $nginx->{port};

    # how often each of the two fields is in a response, and its value
    my $fields = sub { my ($r) = @_;
        my $head = $r ? $r->{head} : 'no answer';
        return join '; ', grep { /^(?:Allow|Retry-After):/i } split /\r\n/, $head;
    };

    for my $method ('GET', 'HEAD') {
        my %head = (head => $method eq 'HEAD');
        for my $way ('replaced', 'named', 'own') {
            for my $row (["/$way/items", '503'], ["/$way/commands", '405']) {
                my ($path, $what) = @$row;
                my $r = exchange($port, get($path, _method => $method), %head);
                my $name = "$method $path, $what replaced by a page";
                is "$r->{status} $r->{body}", $head{head} ? '200 ' : '200 static', $name;
                is $fields->($r), '', "$name: neither Allow nor Retry-After";
            }
        }
        for my $path ('/away/items', '/away/commands') {
            my $r = exchange($port, get($path, _method => $method), %head);
            is "$r->{status} " . $fields->($r), '302 ', "$method $path: no more than a redirect";
        }
        for my $way ('plain', 'page', 'named-page') {
            my $r = exchange($port, get("/$way/items", _method => $method), %head);
            is "$r->{status} " . $fields->($r), '503 Retry-After: 1', "$method /$way/items: once";
            $r = exchange($port, get("/$way/commands", _method => $method), %head);
            is "$r->{status} " . $fields->($r), '405 Allow: POST', "$method /$way/commands: once";
        }
        my $r = exchange($port, get('/copy/items', _method => $method), %head);
        is "$r->{status} " . $fields->($r), '200 ', "$method /copy/items: a list from elsewhere";
        is $r->{body}, '[{"sku":"a","qty":1}]', 'the list itself' unless $head{head};

        $r = exchange($port, get('/twice/items', _method => $method), %head);
        is "$r->{status} " . $fields->($r), '503 Retry-After: 1', "$method /twice/items: once";
    }

    for my $way ('plain', 'page', 'named-page') {
        my $r = exchange($port, get("/$way/items", _method => 'DELETE'));
        is "$r->{status} " . $fields->($r), '405 Allow: GET, HEAD', "DELETE /$way/items: once";
        problem_ok($r->{body}, 405, undef, "DELETE /$way/items: the document");
    }
    my $r = exchange($port, get('/next/items', _method => 'DELETE'));
    is "$r->{status} " . $fields->($r), '405 Allow: POST', 'refused twice: of the last that refused';

    # commands that are not written, all at once: each waits for a second
    my @ways = ('plain', 'replaced', 'named', 'own', 'away', 'page', 'named-page');
    my @r = responses($port, map { post($good, _path => "/$_/commands") } @ways);
    is join(', ', map { "$ways[$_]: " . ($r[$_] ? "$r[$_]{status} " : 'none ') . $fields->($r[$_]) } 0 .. $#r),
       'plain: 503 Retry-After: 1, replaced: 200 , named: 200 , own: 200 , away: 302 , '
       . 'page: 503 Retry-After: 1, named-page: 503 Retry-After: 1',
       'commands that are not written';

    # what follows on the same connection has none of it
    my $socket = connect_to($port);
    syswrite $socket, get('/page/items') . get('/page/commands') . get('/stock') . get('/fallback');
    is join(', ', map { my $r = response($socket); $r->{status} . ' ' . $fields->($r) } 1 .. 4),
       '503 Retry-After: 1, 405 Allow: POST, 200 , 200 ', 'one connection: each has its own';
    $nginx->stop('Allow and Retry-After');
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



=== TEST 13: a redirect is no problem
--- config
error_page 302 /problem;
location = /moved { return 302 http://localhost/; }
location = /problem { internal; warehouse_problem; }
--- request
GET /moved
--- error_code: 404
