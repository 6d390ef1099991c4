# warehouse_health: what a load balancer is told, and people.

use JSON::PP ();
use Warehouse;
use WarehouseNginx;
use Test::More;

my $dir = "$ENV{WAREHOUSE_TEST_DIR}/health-$$";
mkdir $dir;
chmod 0777, $dir;
my $db = "$dir/warehouse.db";
my $topic = "health-$$-" . time;
topic($topic);

my $server = <<"CONF";
warehouse_database $db;
location = /live { warehouse_health live; }
location = /reads { warehouse_health reads; }
location = /near { warehouse_health reads max_lag=10; }
location = /writes { warehouse_health writes; }
location = /commands { warehouse_commands $topic; }
location = /metrics { warehouse_metrics; }
CONF
my $nginx = WarehouseNginx->new(server => $server);
my $dead = WarehouseNginx->new(server => $server, kafka => "warehouse_kafka bootstrap.servers 127.0.0.1:1;\n");

my $json = JSON::PP->new;
sub health { my ($path, $n) = @_;
    my $r = exchange(($n // $nginx)->{port}, get($path)) or return {};
    my $h = eval { $json->decode($r->{body}) } // {};
    $h->{code} = $r->{status};
    return $h;
}
sub is_health { my ($path, $code, $name, %parts) = @_;
    my $h = health($path);
    is $h->{code}, $code, "$path: $name";
    is $h->{status}, $code == 200 ? 'ok' : 'unavailable', "$path: $name: the status";
    for my $part (sort keys %parts) {
        is $h->{$part}{status}, $parts{$part}, "$path: $name: $part";
        like $h->{$part}{since}, qr/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, "$path: $name: $part since when";
        is defined $h->{$part}{reason}, $parts{$part} ne 'ok', "$path: $name: $part why";
    }
    return $h;
}
sub daemon { my (%arg) = @_;
    my ($state, $lag, $progress) = ($arg{state} // 'processing', $arg{lag} // [0], time - ($arg{idle} // 0));
    my $n = 0;
    spew("$db.prom.new", "# TYPE warehouse_consumer_state gauge\n"
        . join('', map { "warehouse_consumer_state{state=\"$_\"} " . ($_ eq $state ? 1 : 0) . "\n" } qw(starting waiting recovering processing))
        . "warehouse_consumer_last_progress_timestamp_seconds $progress.000001\n"
        . join('', map { 'warehouse_consumer_lag_commands{topic="c",partition="' . $n++ . "\"} $_\n" } @$lag));
    utime time - $arg{old}, time - $arg{old}, "$db.prom.new" if $arg{old};
    rename "$db.prom.new", "$db.prom";
}

# --- nothing is there yet

is_health('/live', 200, 'no database', daemon => 'failing');
is_health('/reads', 503, 'no database', database => 'failing', daemon => 'failing');
is_health('/near', 503, 'no database', database => 'failing', daemon => 'failing', max_lag => 'failing');
ok wait_until(20, sub { health('/writes')->{code} == 200 }), 'writes: a broker is there, without any traffic';
is health('/writes', $dead)->{code}, 503, 'writes: no broker';
is health('/writes', $dead)->{kafka}{status}, 'failing', 'writes: no broker: why';
is health('/live', $dead)->{code}, 200, 'live: no broker';

# --- the database comes

database($db, state => 'recovering', rows => [['a', 1]]);
is_health('/reads', 503, 'recovering', database => 'failing');
sql($db, "UPDATE meta SET value = 'ready';");
is_health('/reads', 200, 'ready', database => 'ok', daemon => 'failing');
is health('/reads', $dead)->{code}, 200, 'an outage of the brokers leaves reads alone';
is_health('/near', 503, 'a lag that is not known', database => 'ok', max_lag => 'failing');

# --- the daemon

daemon();
my $h = is_health('/near', 200, 'a daemon', database => 'ok', daemon => 'ok', max_lag => 'ok');
is $h->{lag}, 0, 'the lag';
daemon(lag => [4, 6]);
is is_health('/near', 200, 'at the limit', max_lag => 'ok', daemon => 'ok')->{lag}, 10, 'of all partitions';
daemon(lag => [4, 7]);
is_health('/near', 503, 'past the limit', max_lag => 'failing', daemon => 'ok', database => 'ok');
is_health('/reads', 200, 'no limit', daemon => 'ok');
daemon(lag => [1], idle => 60);
is_health($_, 200, 'stalled', daemon => 'failing') for '/live', '/reads', '/near', '/writes';
like health('/reads')->{daemon}{reason}, qr/none is processed/, 'that it is stalled';
daemon(lag => [0], idle => 60);
is_health('/reads', 200, 'idle, with nothing to do', daemon => 'ok');
daemon(state => 'waiting');
is_health('/reads', 200, 'waiting for brokers', daemon => 'failing');
daemon(old => 60);
is_health('/near', 503, 'a daemon that is gone', daemon => 'failing', max_lag => 'failing');
daemon(lag => ['NaN', '-5', '1e400', 'x']);
is health('/reads')->{code}, 200, 'figures that are none';

# --- since when

daemon();
my $since = health('/reads')->{database}{since};
wait_until(5, sub { time > 1 && select(undef, undef, undef, 1.1) == 0 });
is health('/reads')->{database}{since}, $since, 'since when it has been so';
unlink $db, "$db-wal", "$db-shm";
isnt is_health('/reads', 503, 'gone', database => 'failing')->{database}{since}, $since, 'and since when not';

# --- a reload

my @old = $nginx->workers;
$nginx->signal('HUP');
ok wait_until(20, sub { my @new = $nginx->workers; @new == 1 && $new[0] != $old[0] }), 'a new worker';
is health('/writes')->{code}, 200, 'writes: at once';

# --- HTTP

my $r = exchange($nginx->{port}, get('/live'));
is $r->{headers}{'content-type'}, 'application/json', 'its type';
is $r->{headers}{'cache-control'}, 'no-store', 'not for caches';
is exchange($nginx->{port}, get('/live', _method => 'HEAD'), head => 1)->{status}, 200, 'HEAD';
is exchange($nginx->{port}, post('x', _path => '/live'))->{status}, 405, 'POST';
is exchange($nginx->{port}, get('/live', 'If-None-Match' => '*'))->{status}, 200, 'no conditions';
like exchange($nginx->{port}, get('/metrics'))->{body}, qr/location="health",code="503"\} [1-9]/, 'they are counted';

$_->stop for $nginx, $dead;
done_testing;
