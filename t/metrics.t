# warehouse_metrics: what the workers count, over kills and reloads, and what
# the daemon says of itself.  warehouse_max_inflight.

use Warehouse;
use WarehouseNginx;
use Test::More;

my $dir = "$ENV{WAREHOUSE_TEST_DIR}/metrics-$$";
mkdir $dir;
chmod 0777, $dir;
my $db = "$dir/warehouse.db";
my $topic = "metrics-$$-" . time;
topic($topic);

my $nginx = WarehouseNginx->new(documented => 1, workers => 2, http => 'warehouse_max_inflight 30;', server => <<"CONF");
warehouse_database $db;
client_max_body_size 1k;
location = /items { warehouse_items; }
location /items/ { error_page 404 /problem; warehouse_items; }
location = /commands { warehouse_commands $topic; }
location = /metrics { warehouse_metrics; }
location = /problem { internal; warehouse_problem; }
location = /other { return 204; }
location = /none { error_page 404 /problem; return 404; }
CONF
my $port = $nginx->{port};

sub text { return $nginx->fetch('/metrics')->{body} }
sub metrics { my $text = text(); return { $text =~ /^(\w+(?:\{[^}]*\})?) (\S+)$/mg } }
sub requests { my ($m, $location, $code) = @_; return $m->{qq(warehouse_nginx_requests_total{location="$location",code="$code"})} // 0 }
# a request is counted when it ends, a moment after its reply
sub is_requests { my ($location, $code, $want, $what) = @_;
    my $n;
    wait_until(20, sub { ($n = requests(metrics(), $location, $code)) == $want });
    is $n, $want, $what;
}
sub checked { my ($name) = @_;
    spew("$dir/metrics", text());
    my $said = `promtool check metrics < $dir/metrics 2>&1`;
    is $said, '', "$name: promtool has nothing to say";
    is $?, 0, "$name: promtool is content";
}
sub is_metric { my ($name, $want, $what) = @_;
    my $m;
    my $ok = wait_until(20, sub { $m = metrics(); ($m->{"warehouse_nginx_$name"} // 'none') eq $want });
    is $m->{"warehouse_nginx_$name"} // 'none', $want, $what;
}

my $r = $nginx->fetch('/metrics');
is "$r->{status} $r->{headers}{'content-type'}", '200 text/plain; version=0.0.4; charset=utf-8', 'metrics';
checked('from the start');
is exchange($port, get('/metrics', _method => 'HEAD'), head => 1)->{status}, 200, 'HEAD';
is exchange($port, post('x', _path => '/metrics'))->{status}, 405, 'POST';

# --- requests, by location and status, once each

my $before = metrics();
$nginx->fetch('/items') for 1 .. 2;                                     # 503: no database
database($db, rows => [['a', 1]]);
my $etag = $nginx->fetch('/items')->{headers}{etag};
$nginx->fetch('/items', 'If-None-Match' => $etag);
$nginx->fetch('/items', Accept => 'text/html');
$nginx->fetch('/items/b');                                              # 404 by way of error_page
$nginx->fetch('/items/a');
$nginx->fetch('/items/a', Range => 'bytes=0-1');
exchange($port, post('x', _path => '/items'));
exchange($port, post('{"action":"increase","sku":"a","qty":1}')) for 1 .. 3;
exchange($port, post('{'));
exchange($port, post('{"action":"none"}'));
exchange($port, post(' ' x 2000));                              # 413, by nginx itself
$nginx->fetch('/none');
$nginx->fetch('/other');

is_metric('messages_total{result="written"}', 3, 'messages');
my $after;
my $all = sub { my $n = 0; $n += $after->{$_} - ($before->{$_} // 0) for grep { /^warehouse_nginx_requests_total\{location="(?!metrics)/ } keys %$after; $n };
wait_until(20, sub { $after = metrics(); $all->() >= 15 });
for (['items', 503, 2], ['items', 200, 2], ['items', 206, 1], ['items', 304, 1], ['items', 404, 1], ['items', 405, 1],
     ['items', 406, 1], ['commands', 200, 3], ['commands', 400, 1], ['commands', 422, 1], ['problem', 404, 1]) {
    my ($location, $code, $n) = @$_;
    is requests($after, $location, $code) - requests($before, $location, $code), $n, "$location $code";
}
cmp_ok $all->(), '<=', 16, 'each is counted once';
is $after->{'warehouse_nginx_acknowledgement_seconds_count'}, 3, 'acknowledgements';
is $after->{'warehouse_nginx_acknowledgement_seconds_bucket{le="+Inf"}'}, 3, 'all of them in a bucket';
cmp_ok $after->{'warehouse_nginx_acknowledgement_seconds_sum'}, '>', 0, 'they take time';
cmp_ok $after->{'warehouse_nginx_lists_built_total{format="json"}'}, '>=', 1, 'lists built';
is_metric('requests_waiting', 0, 'nobody waits');
is_metric('producer_queue_messages', 0, 'the queue is empty');
is_metric('workers', 2, 'workers');
is_metric('workers_connected', 2, 'both reach a broker, with traffic or without');
checked('with all that');

# --- what a list takes

database($db, rows => [map { [sprintf('m%05d', $_), $_] } 1 .. 1000]);
my $size = length $nginx->fetch('/items')->{body};
my $m = metrics();
cmp_ok $m->{warehouse_nginx_list_bytes}, '>=', $size, 'bytes of lists';
cmp_ok $m->{warehouse_nginx_list_bytes}, '<', 3 * $size, 'not much more than one for each worker';

# --- a worker that is killed takes its gauges along, and leaves its counters

$before = metrics();
my ($victim) = $nginx->workers;
kill 'KILL', $victim;
wait_until(20, sub { my @w = $nginx->workers; @w == 2 && !grep { $_ == $victim } @w });
is_metric('workers', 2, 'two workers after a kill');
is_requests 'commands', 200, 3, 'no count was lost';
is_metric('workers_connected', 2, 'the new one reaches a broker');

# --- old and new workers side by side

my $slow = connect_to($port);
syswrite $slow, "GET /metrics HTTP/1.1\r\nHost: a\r\n";
wait_until(20, sub { $nginx->fetch('/other')->{status} == 204 });
$nginx->signal('HUP');
ok wait_until(20, sub { metrics()->{warehouse_nginx_workers} == 3 }), 'the old one that has a request is there';
is_requests 'commands', 200, 3, 'the counters go on';
is exchange($port, post('{"action":"increase","sku":"a","qty":1}'))->{status}, 200, 'a command in a new one';
is_requests 'commands', 200, 4, 'is counted on top';
syswrite $slow, "\r\n";
is requests({ response($slow)->{body} =~ /^(\S+) (\S+)$/mg }, 'commands', 200), 4, 'the old one says the same';
close $slow;
is_metric('workers', 2, 'the old one has gone');

# --- of the daemon

my $prom = "$db.prom";
my $daemon = "# HELP warehouse_consumer_a_total A.\n# TYPE warehouse_consumer_a_total counter\nwarehouse_consumer_a_total 7\n"
    . "# HELP warehouse_consumer_bananas B.\n# TYPE warehouse_consumer_bananas gauge\nwarehouse_consumer_bananas{c=\"d\"} 8\n"
    . "# HELP warehouse_consumer_e_total E.\n# TYPE warehouse_consumer_e_total counter\nwarehouse_consumer_e_total 9\n";
is metrics()->{warehouse_nginx_consumer_metrics_age_seconds}, undef, 'no daemon yet';
spew($prom, $daemon);
like text(), qr/\Q$daemon\E\z/, 'its metrics behind ours';
cmp_ok metrics()->{warehouse_nginx_consumer_metrics_age_seconds}, '<', 10, 'and their age';
checked('both');
utime time - 60, time - 60, $prom;
$m = metrics();
is join(' ', map { $m->{$_} // 'none' } 'warehouse_consumer_a_total', 'warehouse_consumer_bananas{c="d"}', 'warehouse_consumer_e_total'),
    '7 none 9', 'of an old file the counters alone';
unlike text(), qr/warehouse_consumer_bananas/, 'no help of what is left out';
cmp_ok $m->{warehouse_nginx_consumer_metrics_age_seconds}, '>=', 60, 'its age';
checked('with an old file');
unlink $prom;
for my $odd (sub { mkdir $prom }, sub { rmdir $prom; symlink '/dev/zero', $prom },
             sub { unlink $prom; system 'mkfifo', $prom }, sub { unlink $prom; spew($prom, '') }) {
    $odd->();
    is $nginx->fetch('/metrics')->{status}, 200, 'whatever lies there';
}
unlink $prom;

# --- as many as may wait, and no more

my ($worker) = $nginx->workers;
my $dead = WarehouseNginx->new(http => 'warehouse_max_inflight 30;',
    kafka => "warehouse_kafka bootstrap.servers 127.0.0.1:1;\nwarehouse_kafka message.timeout.ms 3000;\n",
    server => "location = /commands { warehouse_commands; }\nlocation = /metrics { warehouse_metrics; }\n");
my @sockets = map { my $s = connect_to($dead->{port}); syswrite $s, post('{"action":"increase","sku":"a","qty":1}'); $s } 1 .. 50;
my @statuses = map { response($_) } @sockets;
is scalar(grep { $_ && $_->{status} == 503 && $_->{headers}{'retry-after'} } @statuses), 50, 'all are told to come again';
is scalar(grep { $_->{body} =~ /too many/ } @statuses), 20, 'some of them at once';
my $text = exchange($dead->{port}, get('/metrics'))->{body};
like $text, qr/^warehouse_nginx_overload_total 20$/m, 'counted';
like $text, qr/^warehouse_nginx_messages_total\{result="not_written"\} 30$/m, 'the others were not written';
like $text, qr/^warehouse_nginx_workers_connected 0$/m, 'no broker';
like $text, qr/^warehouse_nginx_requests_waiting 0$/m, 'nobody waits any more';
like $text, qr/^warehouse_nginx_acknowledgement_seconds_count 0$/m, 'nothing was acknowledged';


# bodies that come side by side, when nobody waits yet
my $command = post('{"action":"increase","sku":"a","qty":1}');
my ($head, $body) = $command =~ /\A(.*\r\n\r\n)(.*)\z/s;
@sockets = map { my $s = connect_to($dead->{port}); syswrite $s, $head; $s } 1 .. 50;
wait_until(20, sub { exchange($dead->{port}, get('/metrics'))->{status} == 200 });
syswrite $_, $body for @sockets;
is scalar(grep { ($_ // {})->{body} =~ /too many/ } map { response($_) } @sockets), 20, 'not past it either';

$dead->stop;
$nginx->signal('QUIT');
ok $nginx->ends(30), 'it stops';
is join("\n", grep { !/worker process $victim exited on signal 9/ } split /\n/, crashes($nginx->error_log)), '',
    'nothing bad in its log but the kill';
done_testing;
