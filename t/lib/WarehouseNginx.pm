package WarehouseNginx;

# An nginx of a test's own, for what takes several steps: it is started and
# stopped here, by its pid only, and spoken to over plain sockets.

use strict;
use warnings;

use Exporter qw(import);
use File::Path qw(make_path);
use IO::Select ();
use IO::Socket::INET ();
use JSON::PP ();
use MIME::Base64 qw(encode_base64);
use POSIX qw(:sys_wait_h);
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use Test::More ();
use Time::HiRes qw(sleep time);
use Warehouse;

our @EXPORT = qw(post get encoded connect_to response responses exchange
                 start_broker stop_pid running crashes);

my %started;
my %documented;         # port => file of replies
my $owner = $$;
my $count = 0;


# new(main =>, http =>, server =>, listen =>, master => 'on', documented => 1):
# writes the configuration and starts nginx; the object is a hash with port, dir
# and pid.  documented: its locations are those of api/openapi.yaml, and at the
# end its replies are held against that.
sub new {
    my ($class, %arg) = @_;
    my $dir = "$ENV{WAREHOUSE_TEST_DIR}/nginx-$$-" . ++$count;
    my $self = bless { port => free_port(), dir => $dir, %arg }, $class;

    make_path("$dir/logs");
    chmod 0755, $dir;
    $self->configure;
    $self->start;
    $documented{$self->{port}} = "$dir/replies" if $self->{documented};

    return $self;
}

sub configure {
    my ($self, %arg) = @_;
    my ($dir, $module) = ($self->{dir}, module());
    @$self{keys %arg} = values %arg;
    my %c = (master => 'on', workers => 1, main => '', listen => '',
             server => '', kafka => commands_kafka(), http => '', %$self);
    $self->{expected} = $c{master} eq 'on' ? $c{workers} : 0;

    spew("$dir/nginx.conf", <<"CONF");
${module}daemon off;
master_process $c{master};
worker_processes $c{workers};
pid $dir/nginx.pid;
error_log $dir/logs/error.log info;
$c{main}
events {
    worker_connections 2048;
}
http {
    access_log $dir/logs/access.log;
    client_body_temp_path $dir/client_body_temp;
    proxy_temp_path $dir/proxy_temp;
    fastcgi_temp_path $dir/fastcgi_temp;
    uwsgi_temp_path $dir/uwsgi_temp;
    scgi_temp_path $dir/scgi_temp;
    keepalive_requests 100000;
    $c{kafka}
    $c{http}
    server {
        listen 127.0.0.1:$c{port} backlog=1024 $c{listen};
        $c{server}
    }
}
CONF
}

sub start {
    my ($self) = @_;
    my $dir = $self->{dir};
    my $pid = fork // die "fork: $!";

    if ($pid == 0) {
        default_signals();
        open STDOUT, '>>', "$dir/logs/stdout";
        open STDERR, '>&', \*STDOUT;
        { exec $ENV{TEST_NGINX_BINARY} || 'nginx', '-e',
              "$dir/logs/error.log", '-p', "$dir/", '-c', "$dir/nginx.conf" }
        POSIX::_exit(127);
    }

    $started{$pid} = $self;
    $self->{pid} = $pid;

    wait_until(20, sub {
        return 1 if waitpid($pid, WNOHANG) == $pid;
        IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                              PeerPort => $self->{port}) && -s "$dir/nginx.pid"
            && (!defined $self->{expected} || $self->workers == $self->{expected});
    });

    Test::More::BAIL_OUT('nginx did not start: ' . $self->error_log)
        unless running($pid);
}

sub error_log { slurp("$_[0]{dir}/logs/error.log") // '' }
sub access_log { slurp("$_[0]{dir}/logs/access.log") // '' }
sub signal { kill $_[1], $_[0]{pid} }

# A GET on a connection of its own; a response in any case.
sub fetch {
    my ($self, $path, %h) = @_;
    return exchange($self->{port}, get($path, %h)) // { status => 'none', body => '', headers => {} };
}

# The pids of the master's children that run now.
sub workers {
    my ($self) = @_;
    return grep {
        (slurp("/proc/$_/stat") // '') =~ /\) [^ZX] $self->{pid} /
    } map { m{/(\d+)$} } glob '/proc/[0-9]*';
}

# Whether the process that was started ends within the time.
sub ends {
    my ($self, $seconds) = @_;
    my $pid = $self->{pid};
    return wait_until($seconds, sub {
        return 1 unless $started{$pid};
        return 0 unless waitpid($pid, WNOHANG) == $pid;
        $self->{status} = $?;
        delete $started{$pid};
        return 1;
    });
}

# Ends it politely; one test: it ended, and its log is free of what never
# should be there.  One more where the replies are documented.
sub stop {
    my ($self, $name) = @_;
    $name //= 'nginx';
    if (my $replies = $documented{$self->{port}}) {
        my $said = `python3 $ENV{WAREHOUSE_ROOT}/t/lib/contract.py $replies 2>&1`;
        Test::More::is($?, 0, "$name - replies are as documented") or Test::More::diag($said);
    }
    $self->signal('QUIT');
    my $ended = $self->ends(30);
    Test::More::ok($ended && crashes($self->error_log) eq '',
                   "$name - stops, nothing bad in its log")
        or Test::More::diag($ended ? crashes($self->error_log) : 'still there');
    stop_pid($self->{pid}, 'KILL') unless $ended;
}

# The lines of a log that are never right.
sub crashes {
    my ($log) = @_;
    return join "\n", grep {
        /\[(?:alert|crit|emerg)\]|open socket|exited on signal|Assertion/
    } split /\n/, $log;
}


# --- processes ---

sub running {
    my ($pid) = @_;
    my $stat = slurp("/proc/$pid/stat") // return 0;
    return $stat !~ /\) [ZX] /;
}

sub stop_pid {
    my ($pid, $signal) = @_;
    return unless $started{$pid};
    kill $signal, $pid;
    kill 'CONT', $pid;
    unless (wait_until(20, sub { waitpid($pid, WNOHANG) != 0 })) {
        kill 'KILL', $pid;
        waitpid $pid, 0;
    }
    delete $started{$pid};
}

# For a child: whatever the tests were started with, in the background of a
# shell SIGINT would be ignored.
sub default_signals { $SIG{$_} = 'DEFAULT' for qw(INT QUIT TERM HUP PIPE) }

# A broker of the test's own; ready when it returns unless nowait is set.
sub start_broker {
    my (%arg) = @_;
    my $pid = fork // die "fork: $!";

    if ($pid == 0) {
        default_signals();
        open STDOUT, '>>', "$arg{dir}.log";
        open STDERR, '>&', \*STDOUT;
        { exec "$ENV{WAREHOUSE_ROOT}/script/kafka", 'run',
              @arg{qw(dir port controller)} }
        POSIX::_exit(127);
    }

    $started{$pid} = 1;
    return $pid if $arg{nowait};

    wait_until(180, sub {
        `timeout 5 kcat -q -b 127.0.0.1:$arg{port} -L 2>&1` =~ /broker 1 at/
        && $? == 0;
    }) or Test::More::BAIL_OUT('the broker did not start');

    return $pid;
}

# so that END is reached whatever ends the test
$SIG{PIPE} = 'IGNORE';
$SIG{$_} = sub { exit 130 } for qw(INT TERM HUP);

END {
    if ($$ == $owner) {
        local $?;
        for my $pid (keys %started) {
            kill 'CONT', $pid;
            stop_pid($pid, ref $started{$pid} ? 'TERM' : 'KILL');
        }
    }
}


# --- HTTP over plain sockets ---

# post(BODY, header => value, ...): the bytes of a request; path and version
# are given as _path and _version, a header of value undef is left out.
sub post {
    my ($body, %h) = @_;
    my $path = delete $h{_path} // '/commands';
    my $version = delete $h{_version} // 'HTTP/1.1';
    %h = (Host => 'localhost', 'Content-Type' => 'application/json',
          'Content-Length' => length $body, %h);

    return "POST $path $version\r\n"
           . join('', map { defined $h{$_} ? "$_: $h{$_}\r\n" : () }
                      sort keys %h)
           . "\r\n$body";
}

# Bytes as they may stand in an address.
sub encoded { return join '', map { sprintf '%%%02X', ord } split //, $_[0] }

sub get {
    my ($path, %h) = @_;
    my $method = delete $h{_method} // 'GET';
    return "$method $path HTTP/1.1\r\nHost: localhost\r\n"
           . join('', map { "$_: $h{$_}\r\n" } sort keys %h) . "\r\n";
}

sub connect_to {
    my ($port) = @_;
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                       PeerPort => $port)
        or return undef;
    $socket->setsockopt(IPPROTO_TCP, TCP_NODELAY, 1);
    return $socket;
}

# The next response of a connection as a hash of status, headers (names in
# lower case), body; undef when the connection ends or the time is over.  What
# was read past it stays with the socket.
sub response {
    my ($socket, %arg) = @_;
    my $deadline = time + ($arg{timeout} // 20);
    my $buf = \(${*$socket}{warehouse_buf} //= '');
    my $eof = 0;

    my $fill = sub {
        for ( ;; ) {
            my $left = $deadline - time;
            return 0 if $eof || $left <= 0;
            last if IO::Select->new($socket)->can_read($left);
            # a signal may have come; the deadline is looked at again
        }
        my $n = sysread $socket, $$buf, $arg{slice} // 65536, length $$buf;
        $eof = 1 unless $n;
        return $n;
    };

    my ($status, %headers, $head);
    for ( ;; ) {
        until ($$buf =~ /\r\n\r\n/) { $fill->() or return undef }
        $$buf =~ s/\A(.*?)\r\n\r\n//s;
        $head = $1;
        ($status) = $head =~ m{\AHTTP/1\.[01] (\d{3})} or return undef;
        last unless $status == 100;
    }

    %headers = map { /^([^:]+):\s*(.*)$/ ? (lc $1, $2) : () }
               split /\r\n/, $head;
    my %r = (status => $status, headers => \%headers, head => $head);

    if ($arg{head} || $status == 204 || $status == 304) {
        $r{body} = '';

    } elsif (($headers{'transfer-encoding'} // '') eq 'chunked') {
        $r{body} = '';
        for ( ;; ) {
            until ($$buf =~ /\A[0-9a-fA-F]+\r\n/) { $fill->() or return undef }
            my ($hex) = $$buf =~ /\A([0-9a-fA-F]+)\r\n/;
            my ($size, $line) = (hex $hex, 2 + length $hex);
            $fill->() or return undef while length $$buf < $line + $size + 2;
            $r{body} .= substr $$buf, $line, $size;
            substr $$buf, 0, $line + $size + 2, '';
            last if $size == 0;
        }

    } elsif (defined $headers{'content-length'}) {
        my $size = $headers{'content-length'};
        $fill->() or return undef while length $$buf < $size;
        $r{body} = substr $$buf, 0, $size, '';

    } else {
        1 while $fill->();
        return undef unless $eof;
        $r{body} = $$buf;
        $$buf = '';
    }

    return \%r;
}

# One request on a connection of its own.
sub exchange {
    my ($port, $request, %arg) = @_;
    my $socket = connect_to($port) or return undef;
    local $SIG{PIPE} = 'IGNORE';
    my $sent = 0;
    while ($sent < length $request) {
        my $n = syswrite $socket, $request, length($request) - $sent, $sent;
        last unless $n;
        $sent += $n;
    }
    my $r = response($socket, %arg);
    note_reply($port, $request, $r) if $r && $documented{$port};
    return $r;
}

# Some replies of each kind are kept to be held against the document.
my %noted;
sub note_reply {
    my ($port, $request, $r) = @_;
    my ($method, $target) = $request =~ m{\A([A-Z]+) (/[!-~]*) HTTP/1\.1\r\n} or return;
    my ($path) = $target =~ m{\A(/[^/?]*/?)};
    # nginx's own page: this location has no error_page
    return if ($r->{headers}{'content-type'} // '') eq 'text/html';
    return if $noted{join ' ', $port, $method, $path, $r->{status}, $r->{headers}{'content-type'} // ''}++ >= 20;
    open my $fh, '>>', $documented{$port} or die $!;
    print $fh JSON::PP->new->ascii->encode({ method => $method, target => $target, status => $r->{status},
        headers => $r->{headers}, body => encode_base64($r->{body}, '') }), "\n";
    close $fh;
}

# The same for many requests at once, each on its own connection: the
# responses in the order of the requests.
sub responses {
    my ($port, @requests) = @_;
    local $SIG{PIPE} = 'IGNORE';
    my @sockets = map { connect_to($port) } @requests;
    for my $i (0 .. $#requests) {
        syswrite $sockets[$i], $requests[$i] if $sockets[$i];
    }
    return map { $_ ? response($_) : undef } @sockets;
}

1;
