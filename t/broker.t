# A broker of the test's own that is not there, comes, is killed, stands still.

use Warehouse;
use WarehouseNginx;
use Test::More;

use IO::Select ();
use Time::HiRes qw(sleep time);

my $timeout = 1.5;                     # message.timeout.ms
my $bound = $timeout + 3;              # within which every request is answered
my %broker = (dir => "$ENV{WAREHOUSE_TEST_DIR}/broker-$$", port => free_port(),
              controller => free_port());
my $address = "127.0.0.1:$broker{port}";

my $nginx = WarehouseNginx->new(
    kafka => commands_kafka($address) . <<'CONF', server => <<'CONF2');
warehouse_kafka message.timeout.ms 1500;
warehouse_kafka reconnect.backoff.max.ms 500;
CONF
location = /commands { warehouse_commands; }
location = /alive { return 200 "alive"; }
CONF2
my $port = $nginx->{port};
my ($worker) = $nginx->workers;
my %answer;                            # of each sku sent, its status
my $skus = 0;

sub command { my ($sku) = @_; return qq({"action":"increase","sku":"$sku","qty":1}) }

# One command of a new sku; its status, the response, the seconds it took.
sub send_one {
    my $sku = 'sku-' . ++$skus;
    my $start = time;
    my $r = exchange($port, post(command($sku)), timeout => 30);
    $answer{$sku} = $r ? $r->{status} : 'none';
    return ($answer{$sku}, $r, time - $start);
}

# Until a command is accepted; the statuses on the way may only be these.
sub accepted_again { my ($seconds, $name, $allowed) = @_;
    my %seen;
    my $accepted = wait_until($seconds, sub {
        my ($status) = send_one();
        $seen{$status}++;
        return $status eq '200';
    });
    ok $accepted, "$name: commands are accepted again";
    my @odd = grep { !/^$allowed$/ } keys %seen;
    is "@odd", '', "$name: nothing but $allowed on the way";
    is join(' ', $nginx->workers), $worker, "$name: without a reload, by the same worker";
}


# --- no broker at all

for my $n (1 .. 2) {
    my ($status, $r, $took) = send_one();
    is $status, 503, "no broker, request $n: 503";
    problem_ok($r->{body}, 503, undef, "no broker, request $n: the document");
    is $r->{headers}{'content-type'}, 'application/problem+json', "no broker, request $n: the type";
    like $r->{headers}{'retry-after'}, qr/^[1-9]\d*$/, "no broker, request $n: Retry-After";
    cmp_ok $took, '<', $bound, "no broker, request $n: in time";
}

{
    my $start = time;
    my @answers = responses($port, map { post(command("none-$_")) } 1 .. 300);
    is scalar(grep { $_ && $_->{status} == 503 && ($_->{headers}{'retry-after'} // '') =~ /^[1-9]\d*$/ }
              @answers), 300, 'no broker, 300 at once: 503 and Retry-After';
    cmp_ok time - $start, '<', $bound, 'no broker, 300 at once: in time';
    $answer{"none-$_"} = $answers[$_ - 1] ? $answers[$_ - 1]{status} : 'none' for 1 .. 300;
    is exchange($port, get('/alive'))->{body}, 'alive', 'no broker: the rest is served';
}

{
    # the client does not wait for it
    my $socket = connect_to($port);
    syswrite $socket, post(command('left'));
    close $socket;
    is exchange($port, get('/alive'))->{body}, 'alive', 'no broker, the client left';
}


# --- what the log says of an outage: not a line for each request

sub log_lines { my ($pattern) = @_; return grep { /$pattern/ } split /\n/, $nginx->error_log }

# What an operator is to look at; the messages of librdkafka included.
sub errors_are_few { my ($name) = @_;
    my @lines = log_lines(qr/\[(?:error|crit|alert|emerg)\]/);
    cmp_ok scalar(@lines), '<=', 10, "$name: at most ten lines at [error]" or diag join "\n", @lines[0 .. 2];
    cmp_ok scalar(@lines), '>=', 1, "$name: but it is said";
}

errors_are_few('no broker');
cmp_ok scalar(log_lines(qr/\[info\].*warehouse: .*request: "POST/)), '>=', 300,
       'no broker: each request at [info]';
is scalar(log_lines(qr/works again/)), 0, 'no broker: nothing works again';


# --- it comes

my $broker = start_broker(%broker);
topic('commands', broker => $address);
accepted_again(30, 'the broker came', '(?:200|503)');
is((send_one())[0], 200, 'the broker is there: 200');

{
    my @again = log_lines(qr/works again/);
    is scalar(@again), 1, 'the broker came: one line says that it works again';
    like $again[0] // '', qr/\[notice\].*kafka/i, 'the broker came: at [notice]';

    # the one whose client left may have been counted
    my $failed = grep { $_ eq '503' } values %answer;
    my ($text) = ($again[0] // '') =~ /(warehouse: .*)/;
    ok scalar(grep { $_ == $failed || $_ == $failed + 1 } ($text // '') =~ /\b(\d+)\b/g),
       'the broker came: with the number of requests that failed' or diag "$failed: ", $text;
    errors_are_few('the broker came');
}


# --- killed under load, and back

# Eight clients of this process, each with one request at a time, as long as
# the code says so; the times of the answers are checked.
sub load { my ($name, $go_on) = @_;
    my (%client, $late, $lost);
    my $send = sub { my ($slot) = @_;
        my $sku = 'sku-' . ++$skus;
        my $socket = $client{$slot}{socket} // connect_to($port);
        syswrite $socket, post(command($sku));
        $client{$slot} = {socket => $socket, sku => $sku, start => time};
    };
    $send->($_) for 1 .. 8;
    my $more = 1;

    while (%client) {
        my %slot = map { fileno($client{$_}{socket}) => $_ } keys %client;
        my @ready = IO::Select->new(map { $_->{socket} } values %client)->can_read(0.05);
        for my $socket (@ready) {
            my $slot = $slot{fileno $socket};
            my $r = response($socket, timeout => 1);
            my $c = $client{$slot};
            $answer{$c->{sku}} = $r ? $r->{status} : 'none';
            $late++ if time - $c->{start} > $bound;
            $lost++ unless $r;
            delete $c->{socket} unless $r;
            $more &&= $go_on->($c->{sku}, $answer{$c->{sku}});
            $more ? $send->($slot) : delete $client{$slot};
        }
        my @over = grep { time - $client{$_}{start} > 3 * $bound } keys %client;
        $lost += @over;
        delete @client{@over};
        $more &&= $go_on->();
    }
    is $late // 0, 0, "$name: every answer in time";
    is $lost // 0, 0, "$name: every request has an answer";
}

{
    my %seen;
    my $killed;
    my $accepted = 0;
    load('SIGKILL', sub { my ($sku, $status) = @_;
        if (!$killed) {
            $accepted++ if defined $status && $status eq '200';
            return 1 if $accepted < 300;
            kill 'KILL', $broker;
            $killed = time;
        }
        $seen{$status}++ if defined $status;
        # a while of refusals, however long that takes
        return ($seen{503} // 0) < 8 && time < $killed + 20;
    });
    ok $seen{503} || $seen{504}, 'SIGKILL: 503 or 504 while it is away';
    stop_pid($broker, 'KILL');

    $broker = start_broker(%broker);
    accepted_again(60, 'the broker is back', '(?:200|503|504)');
    is((send_one())[0], 200, 'the broker is back: the next is 200, too');
}


# --- standing still

{
    is((send_one())[0], 200, 'before SIGSTOP: 200');
    kill 'STOP', $broker;
    # the threads of a process do not all stop at the same moment
    ok wait_until(20, sub {
        !grep { (slurp($_) // '') !~ /\) T / } glob "/proc/$broker/task/*/stat";
    }), 'SIGSTOP: the broker stands still';
    my $start = time;
    my @skus = map { "stop-$_" } 1 .. 5;
    my @answers = responses($port, map { post(command($_)) } @skus);
    my $took = time - $start;
    kill 'CONT', $broker;

    $answer{$skus[$_]} = $answers[$_] ? $answers[$_]{status} : 'none' for 0 .. $#skus;
    is join(' ', @answer{@skus}), join(' ', (504) x @skus), 'SIGSTOP: 504 for what was in flight';
    problem_ok($answers[0] ? $answers[0]{body} : '', 504, undef, 'SIGSTOP: the document');
    ok !$answers[0]{headers}{'retry-after'}, 'SIGSTOP: no Retry-After, it may be written';
    cmp_ok $took, '<', $bound, 'SIGSTOP: in time';
    accepted_again(60, 'SIGCONT', '(?:200|503|504)');
}


# --- what is in the topic after all that

{
    my %times;
    # a late write of the stopped broker would be there before this one
    $times{$_->{key}}++ for records('commands', broker => $address);
    my %wrong;
    my %count;
    for my $sku (keys %answer) {
        my ($status, $n) = ($answer{$sku}, $times{$sku} // 0);
        $count{$status}++;
        $wrong{$status}++ if $status eq '200' && $n != 1 || $status eq '503' && $n != 0
                             || $n > 1;
    }
    note join ', ', map { "$_: $count{$_}" } sort keys %count;
    is $wrong{200} // 0, 0, 'every 200 is in the topic exactly once';
    is $wrong{503} // 0, 0, 'no 503 is in the topic';
    is $wrong{504} // 0, 0, 'no 504 is there twice';
    is $wrong{none} // 0, 0, 'nothing without an answer is there twice';
    is scalar(grep { !/^(?:200|503|504)$/ } values %answer), 0, 'no other answer was given';
}

$nginx->stop('broker');
stop_pid($broker, 'KILL');
done_testing();
