# With the rest of nginx: workers, reload, quit, HTTP/2, TLS, access modules.

use Warehouse;
use WarehouseNginx;
use Test::Nginx::Socket 'no_plan';

use IO::Select ();
use Time::HiRes qw(sleep time);

topic('commands');
my $dir = $ENV{WAREHOUSE_TEST_DIR};
my $db = database("$dir/features.db", rows => [['a', 1]]);
chmod 0666, glob "$db*";

# what every nginx here serves
my $locations = <<"CONF";
location = /commands { warehouse_commands; }
location = /items { warehouse_items $db; }
CONF

sub command { my ($sku) = @_; return qq({"action":"increase","sku":"$sku","qty":1}) }

sub accepted { my ($r, $name) = @_;
    is $r ? "$r->{status} $r->{body}" : 'none', '200 {"status":"accepted"}', $name;
}

# How often each key that begins so is in the topic.
sub written { my ($prefix) = @_;
    my %times;
    $times{$_->{key}}++ for grep { ($_->{key} // '') =~ /^\Q$prefix\E/ } records('commands');
    return \%times;
}


# --- several workers

{
    my $nginx = WarehouseNginx->new(workers => 3, server => $locations,
        listen => 'reuseport',
        http => 'log_format pid "$pid $status $warehouse_position"; access_log logs/pid.log pid;');
    my @answers = responses($nginx->{port}, map { post(command("workers-$$-$_")) } 1 .. 60);
    is scalar(grep { $_ && $_->{status} == 200 } @answers), 60, 'three workers: 60 commands';
    my $times = written("workers-$$-");
    is scalar(grep { $_ == 1 } values %$times), 60, 'three workers: each is written once';
    is exchange($nginx->{port}, get('/items'))->{body}, '[{"sku":"a","qty":1}]',
       'three workers: items';
    my %pids = map { /^(\d+) / ? ($1 => 1) : () } split /\n/, slurp("$nginx->{dir}/logs/pid.log");
    cmp_ok scalar(keys %pids), '>', 1, 'three workers: more than one has answered';
    $nginx->stop('three workers');
}


# --- a single process

{
    my $nginx = WarehouseNginx->new(master => 'off', server => $locations);
    accepted(exchange($nginx->{port}, post(command('single'))), 'master_process off: a command');
    is exchange($nginx->{port}, get('/items'))->{body}, '[{"sku":"a","qty":1}]',
       'master_process off: items';
    my @lists = responses($nginx->{port}, map { get('/items') } 1 .. 200);
    is scalar(grep { $_ && $_->{body} eq '[{"sku":"a","qty":1}]' } @lists), 200,
       'master_process off: many lists at once';
    # nginx itself no longer answers after HUP without a master, and a signal
    # that comes while it reconfigures is lost: it has to leave, though
    $nginx->signal('HUP');
    ok wait_until(20, sub { $nginx->error_log =~ /reconfiguring/ }), 'master_process off: HUP';
    ok wait_until(20, sub { $nginx->signal('QUIT'); $nginx->ends(0.5) }),
       'master_process off: it ends after HUP';
    is crashes($nginx->error_log), '', 'master_process off: nothing bad in its log';
}


# --- HTTP/2 and TLS

{
    my $tls_port = free_port();
    system("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
           . " -keyout $dir/key.pem -out $dir/cert.pem 2> /dev/null") == 0 or die 'openssl';
    my $nginx = WarehouseNginx->new(listen => 'http2', server => $locations . <<"CONF");
listen 127.0.0.1:$tls_port ssl http2;
ssl_certificate $dir/cert.pem;
ssl_certificate_key $dir/key.pem;
CONF
    my $h2 = "http://127.0.0.1:$nginx->{port}";
    my $tls = "https://127.0.0.1:$tls_port";
    spew("$dir/body.json", command('curl'));

    for my $row (['HTTP/2', $h2, '--http2-prior-knowledge'],
                 ['TLS with HTTP/1.1', $tls, '--http1.1 --insecure'],
                 ['TLS with HTTP/2', $tls, '--http2 --insecure'])
    {
        my ($name, $url, $options) = @$row;
        my $curl = "curl -s --max-time 20 -w '\\n%{http_code}' $options";
        my $json = "-H 'Content-Type: application/json'";

        is `$curl $json --data-binary \@$dir/body.json $url/commands`,
           qq({"status":"accepted"}\n200), "$name: a command";
        is last_record('commands')->{value}, command('curl'), "$name: the record";
        like `$curl $json -D - -o /dev/null --data-binary \@$dir/body.json $url/commands`,
             qr/\nwarehouse-position: \d+:\d+\r/i, "$name: the position";
        like `$curl $json --data-binary '{}' $url/commands`, qr/\n422$/, "$name: 422";
        like `$curl $json --data-binary '' $url/commands`, qr/\n400$/, "$name: no body: 400";
        like `$curl $url/commands`, qr/\n405$/, "$name: 405";
        is `$curl $url/items`, qq([{"sku":"a","qty":1}]\n200), "$name: items";
        like `$curl -I $url/items`, qr/\ncontent-length: 21\r/i, "$name: HEAD";
        like `$curl $json -T - -X POST $url/commands < $dir/body.json`, qr/accepted.*\n200$/,
             "$name: a body without a length";
    }

    # over TLS: curl 7.88 cannot use a connection of prior knowledge twice
    my $codes = `curl -sS --max-time 30 --http2 --insecure -Z -w '%{http_code} ' -o /dev/null -H 'Content-Type: application/json' --data-binary \@$dir/body.json '$tls/commands?[1-20]' 2> /dev/null`;
    is $codes, '200 ' x 20, 'HTTP/2: twenty commands at once';

    # more than share a look at the database
    my $lists = `curl -sS --max-time 30 --http2 --insecure -Z --parallel-max 100 -w '%{http_code} %{size_download},' -o /dev/null '$tls/items#[1-200]' 2> /dev/null`;
    is $lists, '200 21,' x 200, 'HTTP/2: many lists at once';
    $nginx->stop('HTTP/2 and TLS');
}


# --- reload under load

{
    my $nginx = WarehouseNginx->new(workers => 2, server => $locations);
    my ($clients, $prefix) = (4, "reload-$$-");
    my %client;

    for my $c (1 .. $clients) {
        pipe my $read, my $write or die "pipe: $!";
        my $pid = fork // die "fork: $!";
        if ($pid == 0) {
            my $on = 1;
            local $SIG{TERM} = sub { $on = 0 };
            my ($ok, $bad, $n, $socket) = (0, 0, 0);
            while ($on) {
                # a new connection each: one kept alive may be closed just
                # when it is written to, which is no reply lost
                my $r = exchange($nginx->{port}, post(command("$prefix$c-" . ++$n),
                                                      Connection => 'close'));
                $r && $r->{status} == 200 ? $ok++ : $bad++;
            }
            syswrite $write, "$ok $bad";
            POSIX::_exit(0);
        }
        close $write;
        $client{$pid} = $read;
    }

    my $generations = 0;
    for my $n (1 .. 10) {
        my %old = map { $_ => 1 } $nginx->workers;
        $nginx->signal('HUP');
        # the next when new workers run; the old ones may still be leaving
        $generations++ if wait_until(20, sub { grep { !$old{$_} } $nginx->workers });
    }
    is $generations, 10, 'reload under load: ten reloads';

    my ($ok, $bad) = (0, 0);
    kill 'TERM', keys %client;
    for my $pid (keys %client) {
        my $line = readline $client{$pid};
        waitpid $pid, 0;
        my @n = split ' ', $line // '0 1';
        $ok += $n[0];
        $bad += $n[1];
    }
    cmp_ok $ok, '>', 0, "reload under load: $ok replies of 200";
    is $bad, 0, 'reload under load: no other reply';
    my $times = written($prefix);
    is scalar(keys %$times), $ok, 'reload under load: as many commands in Kafka';
    is scalar(grep { $_ != 1 } values %$times), 0, 'reload under load: each of them once';
    ok wait_until(20, sub { $nginx->workers == 2 }), 'reload under load: the old workers left';
    is exchange($nginx->{port}, get('/items'))->{body}, '[{"sku":"a","qty":1}]',
       'reload under load: items';
    $nginx->stop('reload under load');
}


# --- a broken configuration keeps the old one; a new one is taken

{
    my $nginx = WarehouseNginx->new(server => $locations);
    my %old = map { $_ => 1 } $nginx->workers;
    $nginx->configure(kafka => "warehouse_kafka acks 1;\n");
    $nginx->signal('HUP');
    ok wait_until(20, sub { $nginx->error_log =~ /"acks" is reserved/ }), 'a bad reload: said';
    accepted(exchange($nginx->{port}, post(command('kept'))), 'a bad reload: the old one stays');
    ok !(grep { !$old{$_} } $nginx->workers), 'a bad reload: by the old worker';

    $nginx->configure(kafka => commands_kafka() . "warehouse_kafka linger.ms 20;\n");
    $nginx->signal('HUP');
    ok wait_until(20, sub { grep { !$old{$_} } $nginx->workers }), 'then a good one';
    accepted(exchange($nginx->{port}, post(command('taken'))), 'a good reload');
    $nginx->signal('QUIT');
    ok $nginx->ends(20), 'a good reload: it ends';
}


# --- told to quit, or to reload, while requests wait

for my $signal ('QUIT', 'HUP') {
    for my $master ('on', $signal eq 'HUP' ? () : 'off') {
        my $name = "$signal while requests wait, master_process $master";
        my $nginx = WarehouseNginx->new(master => $master, server => $locations,
            kafka => commands_kafka() . "warehouse_kafka linger.ms 1000;\n");
        # the producer is connected from here on
        accepted(exchange($nginx->{port}, post(command('warm'))), "$name: before");
        my %old = map { $_ => 1 } $nginx->workers;

        my $prefix = "quit-$signal-$master-$$-";
        my @sockets = map {
            my $socket = connect_to($nginx->{port});
            syswrite $socket, post(command("$prefix$_"));
            $socket;
        } 1 .. 10;
        # sent and read: on the wire nothing is left for nginx to take
        wait_until(20, sub { queued($nginx->{port}) == 0 });
        $nginx->signal($signal);

        my @answers = map { response($_) } @sockets;
        my $ok = grep { $_ && $_->{status} == 200 } @answers;
        my $times = written($prefix);
        # a single process leaves without waiting, nginx itself does that
        is $ok, 10, "$name: each has its 200" if $master eq 'on';
        cmp_ok scalar(keys %$times), '>=', $ok, "$name: all of them are in Kafka";
        is scalar(grep { $_ > 1 } values %$times), 0, "$name: none is there twice";

        if ($signal eq 'QUIT') {
            ok $nginx->ends(20), "$name: it ends";
            is $nginx->{status}, 0, "$name: with status 0";
            is crashes($nginx->error_log), '', "$name: nothing bad in its log";
        } else {
            ok wait_until(20, sub { !grep { $old{$_} } $nginx->workers }), "$name: the worker exits";
            $nginx->stop($name);
        }
    }
}

# Bytes that nginx has not read yet, and connections it has not accepted, of a
# port of loopback.
sub queued { my ($port) = @_;
    my $hex = sprintf '0100007F:%04X', $port;
    my $sum = 0;
    for (split /\n/, slurp('/proc/net/tcp')) {
        $sum += hex $1 if /^\s*\d+: $hex \S+ \S\S \w+:(\w+)/;
    }
    return $sum;
}

{
    my $nginx = WarehouseNginx->new(server => $locations);
    my $idle = connect_to($nginx->{port});
    syswrite $idle, post(command('idle'));
    accepted(response($idle), 'an idle connection: a command');
    $nginx->stop('QUIT with an idle connection');
}

warehouse_blocks();
run_tests();

__DATA__

=== TEST 1: auth_request lets one through and not the other
--- config
location = /commands { auth_request /auth; warehouse_commands; }
location = /auth { internal; if ($http_x_key = "yes") { return 204; } return 403; }
--- request eval
[("POST /commands\n{\"action\":\"increase\",\"sku\":\"auth\",\"qty\":1}") x 2]
--- more_headers eval
["X-Key: yes\n", "X-Key: no\n"]
--- error_code eval
[200, 403]
--- response_body_like eval
['^\{"status":"accepted"\}$', '403 Forbidden']



=== TEST 2: auth_request before items
--- init
Warehouse::database($ENV{TEST_NGINX_DB})
--- config
location = /items { auth_request /auth; warehouse_items $TEST_NGINX_DB; }
location = /auth { internal; return 204; }
--- request
GET /items
--- response_body chomp
[]



=== TEST 3: limit_req, its answer is not ours
--- http_config
warehouse_kafka bootstrap.servers $TEST_NGINX_KAFKA;
limit_req_zone $server_name zone=z:1m rate=1r/m;
--- config
location = /commands { limit_req zone=z; limit_req_status 429; warehouse_commands; }
--- request eval
[("POST /commands\n{\"action\":\"increase\",\"sku\":\"limit\",\"qty\":1}") x 3]
--- error_code eval
[200, 429, 429]
--- response_body_like eval
['^\{"status":"accepted"\}$', '429 Too Many Requests', '429 Too Many Requests']



=== TEST 4: limit_req through warehouse_problem
--- http_config
warehouse_kafka bootstrap.servers $TEST_NGINX_KAFKA;
limit_req_zone $server_name zone=z:1m rate=1r/m;
--- config
error_page 429 503 /problem;
location = /commands { limit_req zone=z; warehouse_commands; }
location = /problem { internal; warehouse_problem; }
--- request eval
[("POST /commands\n{\"action\":\"increase\",\"sku\":\"limit\",\"qty\":1}") x 2]
--- error_code eval
[200, 503]
--- response_body_like eval
['^\{"status":"accepted"\}$', '^\{"type":.*"status":503']



=== TEST 5: limit_except and satisfy leave the handler alone
--- config
location = /commands { limit_except POST { deny all; } warehouse_commands; }
--- request eval
["POST /commands\n{\"action\":\"increase\",\"sku\":\"except\",\"qty\":1}", "GET /commands"]
--- error_code eval
[200, 403]



=== TEST 6: proxied to itself, buffered and not
--- config
location = /front { proxy_pass http://127.0.0.1:$TEST_NGINX_PORT/commands; }
location = /stream { proxy_request_buffering off; proxy_http_version 1.1;
                     proxy_pass http://127.0.0.1:$TEST_NGINX_PORT/commands; }
location = /commands { warehouse_commands; }
--- request eval
["POST /front\n{\"action\":\"increase\",\"sku\":\"proxy\",\"qty\":1}",
 "POST /stream\n{\"action\":\"increase\",\"sku\":\"proxy\",\"qty\":1}"]
--- accepted
--- error_code eval
[200, 200]
--- record
proxy {"action":"increase","sku":"proxy","qty":1}
